"""A driver's turn: waited for, and kept by saying every second that it is still needed."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import TracebackType
from typing import Any

from hairpin.job import Job
from hairpin.jobs.note import (
    ALLOWED_KEY,
    PLACE_KEY,
    USED_KEY,
    WAITING_KEY,
    submission_id,
    write_note,
)
from hairpin.jobs.state import ordinal
from hairpin.kept import GoesOn
from hairpin.signals import StopRequest
from hairpin.workshop.queue import ASK_EVERY_S, Answer, Ticket
from hairpin.workshop.visit import Visit
from learner.cluster import connect

logger = logging.getLogger(__name__)

ANSWER_S = 10.0  # an answer may take so long
LOOK_EVERY_S = 10.0  # how often stored bytes are counted, and minutes noted
MINUTES, ROOM = ENDS = ("allowance", "room")


class Turn:
    """Has its turn from `wait` until it is left; a context manager.

    Called, it says why the training has to end, one of `ENDS`; None if it may go on.

    Args:
        visit: Whose it is.
        workers: What it wants.
    """

    def __init__(self, visit: Visit, workers: int) -> None:
        self._visit = visit
        self._ticket = Ticket(
            submission_id() or uuid.uuid4().hex, visit.tenant, workers, asked_at=time.time()
        )
        self._end: str | None = None
        self._noted: dict[str, str] = {}
        self._office: Any = None
        self._left = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="turn", daemon=True)

    def __call__(self) -> str | None:
        """Why to end; None if there is no reason."""
        return self._end

    def __enter__(self) -> Turn:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._left.set()
        if self._thread.is_alive():
            self._thread.join(ANSWER_S)
        with contextlib.suppress(Exception):  # it would be missed after a while
            self._call("leave", self._ticket.job)

    def wait(self, say: Callable[[str], None]) -> None:
        """Returns when it is this job's turn.

        Args:
            say: Told the place whenever it changes.

        Raises:
            UserError: The participant's minutes are used up, or there is no such participant now.
            KeyboardInterrupt: It is asked to stop.
            GoesOn: Its machine has to go.
        """
        with StopRequest(lambda: None) as stop_request:
            self._wait(say, stop_request)
        self._ticket = replace(self._ticket, running=True)
        self._thread.start()

    def _wait(self, say: Callable[[str], None], stop_request: StopRequest) -> None:
        said = ""
        while True:
            try:
                answer: Answer = self._ask()
            except Exception as error:  # it is started again, and has to hear of us again
                text = f"the workshop's queue does not answer yet{_cause(error)}"
            else:
                self._visit.check_used(answer.used_minutes)
                self._note(answer)
                if answer.go:
                    return
                text = f"waiting, {ordinal(answer.place)} of {answer.waiting}"
            if text != said:
                said = text
                say(text)
            time.sleep(ASK_EVERY_S)
            wish = stop_request()
            if wish is not None:
                raise GoesOn if wish == "drained" else KeyboardInterrupt
            self._visit.rules.check(self._visit.tenant)

    def _keep(self) -> None:
        looked_at = time.monotonic()
        while not self._left.wait(ASK_EVERY_S):
            try:
                answer = self._ask()
                if self._visit.is_used_up(answer.used_minutes):
                    self._end = MINUTES
                if time.monotonic() - looked_at > LOOK_EVERY_S:
                    looked_at = time.monotonic()
                    self._note(answer)
                    if self._visit.is_full():
                        self._end = ROOM
            except Exception:  # never the training's concern
                logger.debug("the workshop's queue does not answer", exc_info=True)

    def _ask(self) -> Answer:
        """Says that this job is there; raises whatever keeps the office from answering."""
        answer: Answer = self._call("hear", self._ticket)
        return answer

    def _call(self, method: str, argument: object) -> Any:
        import ray

        from hairpin.workshop.office import find_office

        if self._office is None:
            self._office = find_office(self._visit.folder, self._visit.storage)
        try:
            return ray.get(getattr(self._office, method).remote(argument), timeout=ANSWER_S)
        except Exception:
            self._office = None
            raise

    def _note(self, answer: Answer) -> None:
        allowed = self._visit.limits.minutes
        values = {
            PLACE_KEY: str(answer.place),
            WAITING_KEY: str(answer.waiting),
            USED_KEY: f"{answer.used_minutes:.1f}",
            ALLOWED_KEY: "" if allowed is None else f"{allowed:g}",
        }
        if values == self._noted:
            return
        try:
            write_note(values)
            self._noted = values
        except Exception:  # it is for those who look
            logger.debug("nothing is noted on the job", exc_info=True)


@contextlib.contextmanager
def taking_turn(
    visit: Visit | None, job: Job, say: Callable[[str], None]
) -> Iterator[Callable[[], str | None]]:
    """Waits for the turn of `job`, and has it in the block; at once where there is no workshop.

    Args:
        visit: Whose job it is.
        job: The job.
        say: Told the place in the queue whenever it changes.

    Yields:
        Says why the training has to end, in a word; None if it may go on.

    Raises:
        UserError: See `Turn.wait`.
    """
    if visit is None:
        yield lambda: None
        return
    connect(job.address or os.environ.get("RAY_ADDRESS") or "auto")
    with Turn(visit, job.train_settings().workers + job.num_learners) as turn:
        turn.wait(say)
        yield turn


def _cause(error: Exception) -> str:
    """Why there is no queue, if that is more than that it is being started again."""
    from ray.exceptions import ActorUnavailableError, GetTimeoutError

    lines = str(error).strip().splitlines()
    if isinstance(error, (ActorUnavailableError, GetTimeoutError)) or not lines:
        return ""
    return f": {lines[-1]}"

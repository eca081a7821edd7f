"""Whose turn it is: a fair queue over participants, without clocks, threads or Ray.

Who has the fewest workers comes first; among equals, who has waited longest since one of theirs
got its turn; a participant's own jobs come in the order in which they were asked for. The first of
this order that its participant's limit allows is the next, and nobody passes it while the cluster
has no room for it: a large job is not starved by small ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from hairpin.workshop.rules import Rules

ASK_EVERY_S = 1.0  # how often jobs say that they are there
LEASE_S = 15.0  # a job that was not heard of for so long has ended


@dataclass(frozen=True)
class Ticket:
    """What a job says of itself, every time it asks.

    Attributes:
        job: Its name, one of its own.
        tenant: Whose it is; empty for nobody's in particular.
        workers: What it wants.
        asked_at: When it began to wait, Unix time in seconds.
        running: Whether it has had its turn.
    """

    job: str
    tenant: str
    workers: int
    asked_at: float
    running: bool = False


@dataclass(frozen=True)
class Answer:
    """What a job is told.

    Attributes:
        go: Whether it has its turn.
        place: Its place among those that wait, from 1; 0 if it has its turn.
        waiting: How many wait.
        used_minutes: What its participant has used, all jobs together.
    """

    go: bool
    place: int
    waiting: int
    used_minutes: float


@dataclass
class _Entry:
    ticket: Ticket
    heard_at: float


class Queue:
    """The jobs that were heard of lately, and who of them has a turn.

    Nothing in it has to outlive it but the minutes: jobs that have had their turn say so, and are
    believed.

    Args:
        rules: Says the rules as they are now.
        used_s: Seconds of training by participant.
        quiet_until: Nobody is given a turn before this time, because jobs that have one may not
            have been heard of yet.
    """

    def __init__(
        self,
        rules: Callable[[], Rules],
        used_s: Mapping[str, float] | None = None,
        quiet_until: float = float("-inf"),
    ) -> None:
        self.used_s: dict[str, float] = dict(used_s or {})
        self._rules = rules
        self._quiet_until = quiet_until
        self._entries: dict[str, _Entry] = {}
        self._served: dict[str, float] = {}  # when a participant was last given a turn
        self._turns = 0.0

    def hear(self, ticket: Ticket, now: float) -> Answer:
        """Takes up what a job says, gives out turns, and answers.

        Args:
            ticket: What it says; the same job may want to say it again before `LEASE_S` are over.
            now: The time in seconds, of any clock that does not go back.
        """
        self._forget(now)
        known = self._entries.get(ticket.job)
        if known is not None and known.ticket.running:
            self._use(ticket.tenant, now - known.heard_at)
            ticket = replace(ticket, running=True)
        self._entries[ticket.job] = _Entry(ticket, now)
        if now >= self._quiet_until:
            self._give_turns()
        running = self._entries[ticket.job].ticket.running
        line = [] if running else self.line()
        return Answer(
            go=running,
            place=0 if running else line.index(ticket.job) + 1,
            waiting=len(line) if line else sum(1 for _ in self._waiting()),
            used_minutes=self.used_s.get(ticket.tenant, 0.0) / 60.0,
        )

    def leave(self, job: str, now: float) -> None:
        """A job has ended, or does not want to wait any more."""
        entry = self._entries.pop(job, None)
        if entry is not None and entry.ticket.running:
            self._use(entry.ticket.tenant, now - entry.heard_at)

    def tickets(self, now: float) -> list[Ticket]:
        """What the jobs said that have been heard of lately, also for another thread to ask."""
        entries = list(self._entries.values())
        return [entry.ticket for entry in entries if now - entry.heard_at <= LEASE_S]

    def running(self) -> dict[str, int]:
        """Workers that participants have, by participant."""
        workers: dict[str, int] = {}
        for entry in self._entries.values():
            if entry.ticket.running:
                tenant = entry.ticket.tenant
                workers[tenant] = workers.get(tenant, 0) + entry.ticket.workers
        return workers

    def line(self) -> list[str]:
        """The jobs that wait, the next first: as turns would be given if there were room."""
        rules, running, served = self._rules(), self.running(), dict(self._served)
        waiting = sorted(self._waiting(), key=lambda ticket: (ticket.asked_at, ticket.job))
        line: list[Ticket] = []
        while len(line) < len(waiting):
            left = [ticket for ticket in waiting if ticket not in line]
            following = _next(left, rules, running, served) or left[0]
            line.append(following)
            tenant = following.tenant
            running[tenant] = running.get(tenant, 0) + following.workers
            served[tenant] = self._turns + len(line)
        return [ticket.job for ticket in line]

    def _give_turns(self) -> None:
        rules, running = self._rules(), self.running()
        while True:
            waiting = sorted(self._waiting(), key=lambda ticket: (ticket.asked_at, ticket.job))
            following = _next(waiting, rules, running, self._served)
            if following is None:
                return
            if sum(running.values()) + following.workers > rules.workers:
                return
            tenant = following.tenant
            self._entries[following.job].ticket = replace(following, running=True)
            running[tenant] = running.get(tenant, 0) + following.workers
            self._turns += 1.0
            self._served[tenant] = self._turns

    def _waiting(self) -> list[Ticket]:
        return [e.ticket for e in self._entries.values() if not e.ticket.running]

    def _forget(self, now: float) -> None:
        gone = [job for job, e in self._entries.items() if now - e.heard_at > LEASE_S]
        for job in gone:
            del self._entries[job]

    def _use(self, tenant: str, seconds: float) -> None:
        self.used_s[tenant] = self.used_s.get(tenant, 0.0) + seconds


def _next(
    waiting: list[Ticket],
    rules: Rules,
    running: Mapping[str, int],
    served: Mapping[str, float],
) -> Ticket | None:
    """Who of those that wait, the oldest first, has the next turn; None if all are at limits."""
    firsts: dict[str, Ticket] = {}
    for ticket in waiting:
        firsts.setdefault(ticket.tenant, ticket)
    allowed = [
        ticket
        for tenant, ticket in firsts.items()
        if running.get(tenant, 0) + ticket.workers <= rules.workers_of(tenant)
    ]
    return min(
        allowed,
        key=lambda t: (running.get(t.tenant, 0), served.get(t.tenant, 0.0), t.asked_at, t.job),
        default=None,
    )

"""The reward process: runs the user's reward function, and nothing else, for `sim.reward_process`.

Started as a script by its path, without site packages and environment. It reads a JSON setup,
builds its walls, imports the user's file, answers whether that worked, and then serves requests:

``B first count``
    Rewards for `count` cars from `first`, whose inputs lie in the shared memory; so do the answers.
``C length``
    One call with the JSON params of that length.

Every answer is a length and so many bytes of JSON: nothing at all in the usual case.
"""

from __future__ import annotations

import contextlib
import fcntl
import gc
import json
import mmap
import os
import signal
import struct
import sys
import time
from collections.abc import Callable
from typing import Any, BinaryIO

REQUEST = struct.Struct("<cqq")
LENGTH = struct.Struct("<q")
# The head of the shared memory: the car whose call runs, when the call began (monotonic seconds; 0:
# none runs), calls so far, seconds in them, and the longest.
HEAD = struct.Struct("<qdqdd")
MARK = struct.Struct("<qd")  # the first two of them
BATCH, CALL = b"B", b"C"


def main() -> None:
    """Serves until the parent closes its end of the pipe."""
    requests, answers, memory_fd, size, lifeline = (int(word) for word in sys.argv[1:6])
    _die_with_parent(lifeline)
    with open(requests, "rb") as reading, open(answers, "wb", buffering=0) as writing:
        memory = mmap.mmap(memory_fd, size)
        os.close(memory_fd)
        setup = json.loads(_read(reading, LENGTH.unpack(_read(reading, LENGTH.size))[0]))
        # Before the walls go up, because they close the folder of these modules.
        sys.path[:] = setup["path"]
        from sim.errors import UserError
        from sim.params import INPUT_FORMAT, build_params
        from sim.prints import PrintCollector
        from sim.reward_runner import RewardRunner, load_reward
        from sim.sandbox import confine

        prints = PrintCollector()
        sys.stdout = sys.stderr = prints
        walls = confine(setup["folder"], memory_mb=setup["memory_mb"])
        # The folder of these modules is closed now; the user's imports need not look there.
        sys.path[:] = [entry for entry in sys.path if _can_list(entry)]
        try:
            runner = RewardRunner(
                lambda: load_reward(setup["file"], setup["source"]), setup["capacity"]
            )
        except UserError as error:
            said = {"what": error.what, "where": error.where, "fix": error.fix}
            _answer(writing, {"error": said, **_printed(prints)})
            return
        _answer(writing, {"walls": walls, **_printed(prints)})
        builder = (build_params, struct.Struct(INPUT_FORMAT))
        gc.collect()
        gc.freeze()  # what is here stays; collections need not look at it again and again
        _serve(reading, writing, memory, runner, prints, setup, builder)


def _die_with_parent(lifeline: int) -> None:
    """Has the kernel kill this process when the parent's end of a pipe closes, whatever runs here.

    PR_SET_PDEATHSIG is not meant: it looks at the parent's thread, and threads end.
    """
    if sys.platform.startswith("linux"):
        fcntl.fcntl(lifeline, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(lifeline, fcntl.F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(lifeline, fcntl.F_SETFL, os.O_ASYNC | os.O_NONBLOCK)
        with contextlib.suppress(BlockingIOError):
            if not os.read(lifeline, 1):
                os._exit(0)  # it was gone before the kernel was told


def _serve(
    reading: BinaryIO,
    writing: Any,
    memory: mmap.mmap,
    runner: Any,
    prints: Any,
    setup: dict[str, Any],
    builder: tuple[Callable[..., dict[str, Any]], struct.Struct],
) -> None:
    waypoints = [[(x, y) for x, y in way] for way in setup["waypoints"]]
    length_m, capacity = setup["length_m"], setup["capacity"]
    build_params, row = builder
    answer = struct.Struct("<dq")
    first_answer = HEAD.size + capacity * row.size
    calls, seconds, longest = 0, 0.0, 0.0
    clock, head, mark = time.monotonic, HEAD.pack_into, MARK.pack_into
    known = 0
    while True:
        request = reading.read(REQUEST.size)
        if len(request) < REQUEST.size:
            return
        kind, first, count = REQUEST.unpack(request)
        if kind == CALL:
            params = _from_json(_read(reading, first))
            began = clock()
            head(memory, 0, 0, began, calls, seconds, longest)
            value, code = runner(params)
            took = clock() - began
            head(memory, 0, 0, 0.0, calls, seconds, longest)
            _answer(
                writing,
                {
                    "value": value,
                    "code": code,
                    "type": type(runner.result).__name__,
                    "seconds": took,
                    "records": [vars(record) for record in runner.records[known:]],
                    **_printed(prints),
                },
            )
            known = len(runner.records)
            continue
        for car in range(first, first + count):
            values = row.unpack_from(memory, HEAD.size + car * row.size)
            if not values[-1]:
                answer.pack_into(memory, first_answer + car * answer.size, 0.0, 0)
                continue
            if not runner.is_ready(car):
                mark(memory, 0, car, 0.0)  # an import is no call
                prints.muted = True
                runner.prepare(car)
                prints.muted = False
            params = build_params(values, waypoints, length_m)
            began = clock()
            mark(memory, 0, car, began)
            result = runner(params, car)
            took = clock() - began
            answer.pack_into(memory, first_answer + car * answer.size, *result)
            calls += 1
            seconds += took
            if took > longest:
                longest = took
        head(memory, 0, first + count, 0.0, calls, seconds, longest)
        if len(runner.records) > known or prints.lines or prints.dropped:
            records = [vars(record) for record in runner.records[known:]]
            known = len(runner.records)
            _answer(writing, {"records": records, **_printed(prints)})
        else:
            writing.write(_NOTHING)


def _can_list(folder: str) -> bool:
    try:
        os.listdir(folder)
    except OSError:
        return folder.endswith(".zip")
    return True


def _from_json(data: bytes) -> dict[str, Any]:
    """Params out of JSON, which has no tuples."""
    params: dict[str, Any] = json.loads(data)
    for key in ("waypoints", "objects_location"):
        if key in params:
            params[key] = [tuple(point) for point in params[key]]
    return params


def _printed(prints: Any) -> dict[str, Any]:
    lines, dropped = prints.take()
    return {"lines": lines, "dropped": dropped}


def _answer(writing: Any, content: dict[str, Any]) -> None:
    data = json.dumps(content).encode()
    left = memoryview(LENGTH.pack(len(data)) + data)
    while left:
        left = left[writing.write(left) :]


def _read(reading: BinaryIO, length: int) -> bytes:
    data = reading.read(length)
    if len(data) < length:
        os._exit(0)  # the parent is gone
    return data


_NOTHING = LENGTH.pack(0)

if __name__ == "__main__":
    main()
    os._exit(0)  # whatever the user's code still has running

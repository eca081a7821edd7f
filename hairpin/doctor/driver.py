"""What a driver on the cluster finds: this same doctor, run there as a job."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from hairpin.doctor.access import is_gate
from hairpin.doctor.finding import Finding
from hairpin.doctor.machine import versions
from hairpin.jobs.server import JobServer
from sim.errors import UserError

COMMAND = "hairpin doctor --json"
TIMEOUT_S = 120.0
TOLD = {"storage": "store", "video server": "video", "metrics": "metrics"}
# Of a Ray version, what job API and runtime environments depend on; of Python, what syntax does.
PARTS = {"hairpin": 3, "ray": 2, "python": 2}


def check_driver(address: str, token: str) -> Iterator[Finding]:
    """Runs the doctor in a job, and tells what it finds there.

    Args:
        address: Of the job API.
        token: It opens it; empty if none is wanted.
    """
    try:
        server = JobServer(address, token or None)
        yield _compared("ray", server.ray_version)
        if is_gate(address):
            what = "a workshop's gate lets trainings through, and no questions"
            advice = "Whoever runs the cluster can ask: hairpin doctor --cluster."
            yield Finding("driver", "unknown", what, advice)
            return
        said = server.ask(COMMAND, TIMEOUT_S)
    except UserError as error:
        yield Finding("driver", "fail", str(error))
        return
    answer = _answer_in(said)
    if answer is None:
        lines = said.strip().splitlines()
        last = lines[-1].strip()[:200] if lines else "it printed nothing"
        yield Finding(
            "driver",
            "fail",
            f"a job cannot run `{COMMAND}`: {last}",
            "Is Hairpin in the image (image.repository), and of a version like this one?",
        )
        return
    yield from _told(answer)


def _told(answer: dict[str, Any]) -> Iterator[Finding]:
    there = answer.get("versions", {})
    for name in ("python", "hairpin"):
        yield _compared(name, str(there.get(name, "unknown")))
    checks = {check["name"]: Finding(**check) for check in answer["checks"]}
    for name, ours in TOLD.items():
        found = checks.pop(name, None)
        if found is None:
            yield Finding(ours, "ok", "the driver is told of none")
        else:
            yield Finding(ours, found.status, f"driver: {found.found}", found.advice)
    bad = [check for check in checks.values() if check.status != "ok" and not _meant(check)]
    for check in bad:
        yield Finding(check.name, check.status, f"driver: {check.found}", check.advice)
    if not bad:
        yield Finding("driver", "ok", f"{len(checks)} checks of its machine are good")


def _meant(check: Finding) -> bool:
    """Whether it is so in every pod: a container may not make itself a network without any.

    Network policies close the way of reward functions there.
    """
    return check.name == "reward process" and check.found.endswith("not network")


def _compared(name: str, there: str) -> Finding:
    here, parts = versions()[name], PARTS[name]
    if there.split(".")[:parts] == here.split(".")[:parts]:
        return Finding(name, "ok", f"{there} there, {here} here")
    advice = {
        "ray": f"Install the cluster's here: pip install 'ray[default,rllib]=={there}'.",
        "python": "A reward function must be of a syntax that both know.",
        "hairpin": "A job may say what only one of them knows: use the same on both sides.",
    }[name]
    return Finding(name, "warn", f"{there} there, {here} here", advice)


def _answer_in(log: str) -> dict[str, Any] | None:
    """The JSON object that begins and ends with a line of its own; None if there is none."""
    lines = log.splitlines()
    try:
        text = "\n".join(lines[lines.index("{") : len(lines) - lines[::-1].index("}")])
        answer = json.loads(text)
    except ValueError:
        return None
    return answer if isinstance(answer, dict) and "checks" in answer else None

"""All checks of one reward function, in order."""

from __future__ import annotations

import ast

from hairpin.validation.findings import IMPORT_ERROR, Report
from hairpin.validation.source import check_signature, check_source, parse
from hairpin.validation.trials import Trials
from sim.reward import read_reward
from sim.reward_states import StateMaker
from sim.reward_trials import trial_states
from sim.track import Track

CALL_LIMIT_S = 1.0  # as a training allows by default


def validate(spec: str, track: str, *, timeout_s: float = CALL_LIMIT_S) -> Report:
    """Reads a reward function and tries it in states all over a track.

    Args:
        spec: The path of a file, or the name of one of ours.
        track: A track of the library, the path of a route file, or ``random:SEED``.
        timeout_s: A call may take so long.

    Raises:
        UserError: The file cannot be read, or there is no such track.
    """
    path, source = read_reward(spec)
    loaded = Track.load(track)
    report = Report(str(path), loaded.name, source)
    tree = parse(source, str(path))
    if not isinstance(tree, ast.Module):
        report.add([tree], [])
        return report
    maker, states = StateMaker(loaded), trial_states(loaded)
    report.add(*check_source(tree, source, frozenset(states[0])))
    report.add(missing := check_signature(tree), [])
    if not missing and IMPORT_ERROR not in {error.type for error in report.errors}:
        Trials(report, tree, maker, states, timeout_s).run()
    return report

"""Each alert fires when it should, not before, not in a healthy run, and not after its end."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.dashboards.alert_cases import (
    CASES,
    HEALTHY,
    HOURS,
    INTERVAL_S,
    LOCAL_STORE,
    MINUTE,
    SAMPLES,
    STANDS,
    Case,
)

RULES = Path(__file__).resolve().parents[2] / "dashboards" / "alerts" / "hairpin.rules.yml"


AFTER_THE_END = {"HairpinRunFailed", "HairpinLossNotFinite"}  # they tell of the end itself
ANY = "Hairpin.*"


def as_test(case: Case, ends: float | None = None) -> dict[str, Any]:
    """The test of a case for promtool; with `ends`, of one in which the run ends in trouble."""
    changed = dict(case.series)
    silent, fires = case.silent, case.fires
    if ends is not None:
        changed['hairpin_run_ended{reason="stopped"}'] = f"_x{int(ends * MINUTE)} 1x{SAMPLES}"
        fires = tuple(minute for minute in fires if minute < ends)
        silent = tuple(ends + later for later in (0, 0.25, 1, 3, 10, 30, 60))
    series = [
        {"series": _of_run(name), "values": values}
        for name, values in {**HEALTHY, **changed}.items()
        if values is not None
    ]
    firing = f'ALERTS{{alertname=~"{case.alert}",alertstate="firing"}}'
    checks = [(minute, []) for minute in silent]
    checks += [(minute, [{"labels": "{}", "value": 1}]) for minute in fires]
    return {
        "name": f"{case.alert} {'' if ends is None else f'ends at {ends}'} {case.series}",
        "interval": f"{INTERVAL_S}s",
        "input_series": series,
        "promql_expr_test": [
            {"expr": f"count({firing})", "eval_time": f"{int(60 * minute)}s", "exp_samples": exp}
            for minute, exp in checks
        ],
    }


def _of_run(name: str) -> str:
    labels = 'job="hairpin",instance="driver:9464",run="monday"'
    metric, _, rest = name.partition("{")
    return f"{metric}{{{labels},{rest}" if rest else f"{metric}{{{labels}}}"


def run_promtool(promtool: Path, folder: Path, alert: str, tests: list[dict[str, Any]]) -> str:
    """What promtool finds wrong with the alerts of that name; empty if all is as it should be."""
    rules = [rule for rule in all_rules() if re.fullmatch(alert, rule["alert"])]
    groups = {"groups": [{"name": "tested", "rules": rules}]}
    (folder / "rules.yml").write_text(yaml.safe_dump(groups), encoding="utf-8")
    file = folder / "alerts.test.yml"
    content = {
        "rule_files": ["rules.yml"],
        "evaluation_interval": f"{INTERVAL_S}s",
        "tests": tests,
    }
    file.write_text(yaml.safe_dump(content), encoding="utf-8")
    done = subprocess.run(
        [promtool, "test", "rules", file], capture_output=True, text=True, check=False
    )
    return "" if done.returncode == 0 else done.stdout + done.stderr


def all_rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


@pytest.mark.parametrize("alert", sorted({case.alert for case in CASES}))
def test_alert_fires_when_it_should_and_not_before(
    promtool: Path, tmp_path: Path, alert: str
) -> None:
    cases = [case for case in CASES if case.alert == alert]
    assert run_promtool(promtool, tmp_path, alert, [as_test(case) for case in cases]) == ""


@pytest.mark.parametrize("alert", sorted({case.alert for case in CASES} - AFTER_THE_END))
def test_alert_does_not_fire_for_a_run_that_has_ended(
    promtool: Path, tmp_path: Path, alert: str
) -> None:
    cases = [case for case in CASES if case.alert == alert and case.fires]
    tests = [as_test(case, ends=case.fires[0] + 0.5) for case in cases]
    assert run_promtool(promtool, tmp_path, alert, tests) == ""


@pytest.mark.parametrize("changed", [{}, LOCAL_STORE], ids=["bucket", "folder"])
@pytest.mark.parametrize("ends", [None, 60.0], ids=["goes on", "ends"])
def test_a_healthy_run_alarms_nobody(
    promtool: Path, tmp_path: Path, changed: dict[str, str | None], ends: float | None
) -> None:
    minutes = tuple(range(0, 60 * HOURS, 5))
    case = as_test(Case(ANY, changed, silent=minutes), ends)
    assert run_promtool(promtool, tmp_path, ANY, [case]) == ""


def test_every_alert_has_a_case_in_which_it_fires_and_one_in_which_it_does_not() -> None:
    assert {case.alert for case in CASES if case.fires} == {rule["alert"] for rule in all_rules()}
    assert {case.alert for case in CASES if case.silent} == {rule["alert"] for rule in all_rules()}


def test_a_case_can_fail(promtool: Path, tmp_path: Path) -> None:
    alert = "HairpinNoProgress"
    for case in (Case(alert, {}, silent=(), fires=(90,)), Case(alert, STANDS, silent=(90,))):
        assert alert in run_promtool(promtool, tmp_path, alert, [as_test(case)])

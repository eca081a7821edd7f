"""What is said while training."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import pytest
from rich.console import Console

from hairpin.live import LiveReporter, draw, sparkline
from hairpin.progress import Progress
from hairpin.records import as_record, snake_case
from hairpin.report import STOPPING, JsonReporter, PlainReporter, progress_line
from learner.events import Event, RewardFailed, WorkerLost, WorkerRestored
from learner.settings import StopSettings
from sim.reward import RewardError

BROKEN = RewardFailed(
    100, 21.0, RewardError("KeyError", "KeyError: 'x' (line 3)", "  line 3, in f", '{"x": 1}', 2)
)
LOST, BACK = WorkerLost(100, 22.0, 1, 1), WorkerRestored(200, 23.0, 1, 2)


@pytest.fixture
def progress() -> Progress:
    return Progress(stop=StopSettings(minutes=2.0, until="completion=1.0"), run="sample")


def tell(reporter: PlainReporter | JsonReporter | LiveReporter, events: list[Event]) -> None:
    for event in events:
        reporter.progress.note(event)
        reporter.event(event)


def test_progress_gathers_the_numbers(progress: Progress, training: list[Event]) -> None:
    assert progress.completion is None
    for event in training:
        progress.note(event)
    assert (progress.iteration, progress.steps) == (6, 6 * 4096)
    assert progress.laps == 1 + 2 + 3 + 4
    assert progress.first_lap_s == 24.5
    assert progress.greedy_completion == progress.best_completion == 1.0
    assert progress.best_lap_s == 11.5  # of the greedy evaluation
    assert progress.last_lap_s == 12.0
    assert 0.0 < (progress.completion or 0.0) <= 1.0


def test_steps_that_were_dropped_are_said(progress: Progress, training: list[Event]) -> None:
    progress.note(training[1])
    assert "dropped" not in progress_line(progress)
    for _ in range(2):
        progress.note(replace(training[1], dropped_steps=600))
    assert "1,200 steps over max_iteration_steps dropped" in progress_line(progress)


def test_time_left_is_the_nearer_of_minutes_and_steps(
    progress: Progress, training: list[Event]
) -> None:
    progress.note(training[0])
    assert progress.time_left(30.0) == pytest.approx(110.0)  # 20 s of start-up don't count
    progress.stop = StopSettings(minutes=2.0, steps=7 * 4096)
    for event in training:
        progress.note(event)
    assert progress.time_left(30.0) == pytest.approx(4096 / 2730.6)
    progress.stop = StopSettings(until="completion=1.0")
    assert progress.time_left(30.0) is None


def test_plain_lines_say_what_matters(
    progress: Progress, training: list[Event], capsys: pytest.CaptureFixture[str]
) -> None:
    tell(PlainReporter(progress), [*training, BROKEN, LOST, BACK])
    out = capsys.readouterr().out
    assert out.count("steps/s") == 0
    assert "4,096 steps" in out
    assert "first lap after 24 s and 12,288 steps" in out
    assert "greedy: completion 100 %, 3 laps, best 11.50 s  * best so far" in out
    assert "KeyError: 'x' (line 3)" in out
    assert "  line 3, in f" in out
    assert 'params: {"x": 1}' in out
    assert "worker 1 does not answer; 1 drive on until it is back" in out
    assert "worker 1 is back; 2 drive" in out
    assert "\x1b" not in out, "no colours in a log"


def test_json_lines_are_all_json_and_end_with_the_result(
    progress: Progress, training: list[Event], capsys: pytest.CaptureFixture[str]
) -> None:
    out = io.StringIO()
    reporter = JsonReporter(progress, out)
    reporter.say("hello")
    tell(reporter, [*training, BROKEN])
    reporter.stopping()
    reporter.result({"run": "sample"})
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [line["event"] for line in lines[:3]] == ["started", "iteration_done", "iteration_done"]
    assert lines[-1] == {"event": "result", "run": "sample"}
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == ["hello", STOPPING]


def test_records_are_json_and_sum_up_episodes(training: list[Event]) -> None:
    last = as_record(training[-2])
    assert last["event"] == "iteration_done"
    assert last["episodes"] == 5
    assert last["lap_times_s"] == [12.0] * 4
    assert last["end_reasons"] == {"lap_complete": 4, "off_track": 1}
    assert last["losses"] == {"policy_loss": -0.01, "kl": None}
    assert as_record(BROKEN)["error"]["count"] == 2
    for event in training:
        json.dumps(as_record(event), allow_nan=False)


@pytest.mark.parametrize(
    ("name", "expected"), [("Evaluated", "evaluated"), ("FirstLap", "first_lap")]
)
def test_names_of_events(name: str, expected: str) -> None:
    assert snake_case(name) == expected


def test_the_live_view_shows_the_numbers(progress: Progress, training: list[Event]) -> None:
    console = Console(file=io.StringIO(), width=100, force_terminal=True, color_system=None)
    with LiveReporter(progress, console) as reporter:
        assert isinstance(reporter, LiveReporter)
        tell(reporter, [*training, BROKEN])
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert "first lap after 24 s" in shown
    console = Console(file=io.StringIO(), width=100)
    console.print(draw(progress, elapsed_s=61.0))
    view = console.file.getvalue()  # type: ignore[attr-defined]
    parts = [
        "sample  until completion=1.0",
        "steps 24,576",
        "steps/s 2,731",
        "elapsed 1:01",
        "left 1:19",
        "best lap 11.50 s",
        "100 %",
        "learning 35 %",
        "physics 20 %",
        "failed in 1 ways",
        "2 workers",
    ]
    for part in parts:
        assert part in view


def test_the_live_view_can_be_drawn_before_anything_happened(progress: Progress) -> None:
    console = Console(file=io.StringIO(), width=60)
    console.print(draw(progress, elapsed_s=0.0))
    assert "starting" in console.file.getvalue()  # type: ignore[attr-defined]


def test_a_sparkline_goes_from_low_to_high() -> None:
    assert sparkline([0.0, 0.5, 1.0]) == "▁▅█"

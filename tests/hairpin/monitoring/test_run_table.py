"""Which runs are served, and what they are called."""

from __future__ import annotations

from hairpin.monitoring.run_table import Origin, RunTable
from hairpin.monitoring.series import Snapshot


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def of(key: str, name: str = "monday", driver: str = "a", began: float = 1.0) -> Origin:
    return Origin(name, key, driver, began)


def snapshot(value: float) -> Snapshot:
    return [
        {
            "name": "hairpin_iterations_total",
            "kind": "counter",
            "help": "Iterations.",
            "labels": (),
            "samples": [((), value)],
        }
    ]


def test_two_runs_of_one_name_do_not_mix() -> None:
    table = RunTable()
    assert table.put(of("here"), snapshot(1)) == "monday"
    assert table.put(of("there", driver="b"), snapshot(2)) == "monday~2"
    assert table.put(of("here"), snapshot(3)) == "monday"
    assert table.snapshots() == {"monday": snapshot(3), "monday~2": snapshot(2)}


def test_a_resumed_run_takes_its_name_over() -> None:
    table = RunTable()
    table.put(of("here", driver="killed", began=1.0), snapshot(100))
    assert table.put(of("here", driver="next", began=2.0), snapshot(5)) == "monday"
    assert table.put(of("here", driver="killed", began=1.0), snapshot(101)) == "monday"
    assert table.snapshots() == {"monday": snapshot(5)}, "the older process does not come back"


def test_a_run_is_forgotten_some_time_after_its_last_values() -> None:
    clock = Clock()
    table = RunTable(300.0, clock)
    table.put(of("here"), snapshot(1))
    clock.now_s += 299.0
    table.put(of("there", "other"), snapshot(2))
    clock.now_s += 2.0
    assert list(table.snapshots()) == ["other"]
    assert table.put(of("elsewhere"), snapshot(3)) == "monday", "the name is free again"


def test_after_a_restart_every_run_is_called_what_it_was() -> None:
    table = RunTable()
    assert table.put(of("there", driver="b"), snapshot(2), "monday~2") == "monday~2"
    assert table.put(of("here"), snapshot(1), "monday") == "monday"
    assert table.put(of("third"), snapshot(3), "monday") == "monday~3", "taken meanwhile"

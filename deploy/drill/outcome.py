"""What came of a fault, measured: and the table of all of them."""

from __future__ import annotations

from dataclasses import dataclass, field

from rich.table import Table

FULL_SPEED_WITHIN_S = 30.0


@dataclass
class Outcome:
    """What came of one fault.

    Attributes:
        name: The fault's.
        title: What it is.
        went_on: Whether iterations ended while it lasted; None where the driver is the victim.
        longest_pause_s: Between two iterations, from the fault to full speed.
        full_speed_s: From the cure to full speed; None if it was not reached.
        steps_lost: Environment steps that were not driven, or driven and lost, because of it.
        checkpoints_dropped: Written, and never published.
        checkpoints_lost: Published, and gone: no fault may do that.
        said: The line that told the user; None if there was none and none is wanted.
        faults: What should have been otherwise.
    """

    name: str
    title: str
    went_on: bool | None = None
    longest_pause_s: float = 0.0
    full_speed_s: float | None = None
    steps_lost: int = 0
    checkpoints_dropped: int = 0
    checkpoints_lost: int = 0
    said: str | None = None
    faults: list[str] = field(default_factory=list)

    def judge(self) -> None:
        """Adds to `faults` what misses a bar that all faults share."""
        if self.went_on is False:
            self.faults.append("the training did not go on")
        if self.full_speed_s is None:
            self.faults.append("full speed was not reached again")
        elif self.went_on is not None and self.full_speed_s > FULL_SPEED_WITHIN_S:
            self.faults.append(f"full speed took longer than {FULL_SPEED_WITHIN_S:.0f} s")
        if self.checkpoints_lost:
            self.faults.append("published checkpoints are gone")


def table(outcomes: list[Outcome]) -> Table:
    """All outcomes, a row each."""
    result = Table(title="Faults under a running training", title_justify="left")
    for name in ("fault", "went on", "longest pause", "full speed after"):
        result.add_column(name)
    for name in ("steps lost", "dropped", "lost"):
        result.add_column(name, justify="right")
    result.add_column("the user read")
    result.add_column("verdict")
    for each in outcomes:
        result.add_row(
            each.title,
            {True: "yes", False: "no", None: "resumed"}[each.went_on],
            f"{each.longest_pause_s:.1f} s",
            "never" if each.full_speed_s is None else f"{each.full_speed_s:.1f} s",
            f"{each.steps_lost:,}",
            str(each.checkpoints_dropped),
            str(each.checkpoints_lost),
            each.said or "",
            "; ".join(each.faults) or "good",
        )
    return result

"""Control points of the tracks that ship with Hairpin."""

from __future__ import annotations

from dataclasses import dataclass

from sim.track_design import Corner


@dataclass(frozen=True)
class Design:
    """A track of the library as it was thought up.

    Attributes:
        title: Its name in a headline.
        teaches: One sentence: what a car, or its reward function, learns here.
        corners: Control points (x, y, radius of the arc), metres, in the order driven.
        width_m: The road's width, everywhere or at each corner.
        closed: Whether it is a lap.
    """

    title: str
    teaches: str
    corners: tuple[Corner, ...]
    width_m: float | tuple[float, ...]
    closed: bool = True


DESIGNS: dict[str, Design] = {
    "hairpin": Design(
        title="Hairpin",
        teaches="A bit of everything: a straight, one real hairpin, a right-hander and a sweeper.",
        corners=(
            (6.2, 0.0, 0.75),
            (6.2, 1.5, 0.75),
            (2.8, 1.5, 0.8),
            (3.85, 4.0, 0.85),
            (0.2, 3.75, 1.1),
            (0.0, 0.0, 1.1),
        ),
        width_m=0.76,
    ),
    "oval": Design(
        title="Oval",
        teaches="Two straights and two bends: the first lap of a new reward function.",
        corners=((6.5, 0.0, 1.6), (6.5, 3.3, 1.6), (0.0, 3.3, 1.6), (0.0, 0.0, 1.6)),
        width_m=0.76,
    ),
    "bowtie": Design(
        title="Bowtie",
        teaches="A pinched waist: unwinding the wheel at once after a long bend.",
        corners=(
            (0.0, 0.0, 0.95),
            (1.5, 0.0, 0.95),
            (3.3, 1.1, 1.6),
            (5.1, 0.0, 0.95),
            (6.6, 0.0, 0.95),
            (6.6, 4.0, 0.95),
            (5.1, 4.0, 0.95),
            (3.3, 2.9, 1.6),
            (1.5, 4.0, 0.95),
            (0.0, 4.0, 0.95),
        ),
        width_m=0.7,
    ),
    "longbow": Design(
        title="Longbow",
        teaches="Long straights and wide bends: daring to drive flat out, and to brake in time.",
        corners=(
            (17.0, 0.0, 2.0),
            (19.0, 3.6, 1.8),
            (16.6, 6.4, 1.8),
            (11.2, 4.6, 4.0),
            (5.6, 8.0, 2.6),
            (1.0, 7.4, 1.6),
            (2.2, 4.2, 1.4),
            (-0.4, 2.4, 1.2),
            (0.0, 0.0, 1.4),
        ),
        width_m=(1.0, 0.95, 0.95, 1.05, 1.05, 0.85, 0.8, 0.8, 0.9),
    ),
    "bramble": Design(
        title="Bramble",
        teaches="No straight worth the name: one bend sets up the next.",
        corners=(
            (3.6, 0.0, 0.8),
            (4.6, 1.3, 0.8),
            (6.0, 0.2, 0.8),
            (7.6, 0.6, 0.8),
            (7.4, 2.6, 0.7),
            (5.9, 2.3, 0.65),
            (5.5, 4.6, 0.7),
            (3.9, 4.6, 0.7),
            (4.0, 2.6, 0.65),
            (2.2, 2.4, 0.65),
            (2.5, 4.6, 0.7),
            (0.0, 4.9, 0.8),
            (0.5, 2.6, 0.9),
            (-0.6, 1.3, 0.8),
            (0.2, 0.0, 0.8),
        ),
        width_m=0.66,
    ),
    "crossover": Design(
        title="Crossover",
        teaches="A figure of eight: keeping to one's own branch where the road crosses itself.",
        corners=(
            (15.0, 0.0, 1.2),
            (15.0, 2.7, 1.1),
            (12.7, 2.4, 0.8),
            (11.5, 3.8, 0.8),
            (9.9, 3.0, 1.0),
            (8.4, 4.8, 1.0),
            (6.8, 4.2, 1.5),
            (3.9, 0.9, 1.0),
            (2.2, -0.6, 0.8),
            (0.9, 0.9, 0.8),
            (2.2, 2.9, 1.2),
            (-0.6, 4.3, 1.0),
            (0.4, 6.7, 1.1),
            (3.2, 6.0, 2.0),
            (7.4, 0.0, 1.8),
        ),
        width_m=0.8,
    ),
    "needle": Design(
        title="Needle",
        teaches="A narrow road: steady steering counts for more than speed.",
        corners=(
            (0.0, 0.0, 0.8),
            (0.0, 2.2, 0.75),
            (2.0, 2.5, 0.75),
            (2.2, 4.3, 0.75),
            (4.2, 4.5, 0.9),
            (5.6, 2.6, 1.0),
            (7.0, 2.2, 0.8),
            (7.0, 0.0, 0.8),
        ),
        width_m=0.6,
    ),
    "boulevard": Design(
        title="Boulevard",
        teaches="A wide road: there is room to find a racing line of one's own.",
        corners=(
            (0.0, 0.0, 1.4),
            (0.0, 4.6, 1.2),
            (3.0, 4.6, 1.2),
            (3.6, 2.4, 1.1),
            (5.6, 2.4, 1.1),
            (6.2, 5.4, 1.2),
            (8.8, 5.2, 1.4),
            (8.8, 0.0, 1.4),
        ),
        width_m=1.1,
    ),
    "chicane": Design(
        title="Chicane",
        teaches="Driven clockwise, with a quick left and right to be taken in one go.",
        corners=(
            (0.0, 4.6, 1.0),
            (3.0, 4.6, 0.9),
            (3.9, 3.7, 0.9),
            (6.8, 3.7, 0.9),
            (7.2, 1.9, 0.7),
            (5.4, 1.4, 0.7),
            (5.2, 0.0, 0.65),
            (0.0, 0.0, 1.0),
        ),
        width_m=0.8,
    ),
    "dash": Design(
        title="Dash",
        teaches="An open road from a start to a finish: every metre is new.",
        corners=(
            (0.0, 0.0, 0.0),
            (3.5, 0.0, 1.2),
            (5.0, 2.4, 1.2),
            (7.5, 2.0, 1.0),
            (9.0, -0.2, 1.0),
            (13.0, 0.6, 0.0),
        ),
        width_m=0.76,
        closed=False,
    ),
}

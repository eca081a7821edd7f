"""``hairpin reward``: shows what a reward function pays."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from hairpin.options import examples, json_option

if TYPE_CHECKING:
    from sim.reward_map import RewardMap


@click.group(epilog=examples("hairpin reward show reward.py", "hairpin reward show racing_line"))
def reward() -> None:
    """Draw what a reward function pays over a track."""


@reward.command(
    "show",
    epilog=examples(
        "hairpin reward show reward.py",
        "hairpin reward show reward.py --track bramble --speed 3",
        "hairpin reward show no_zig_zag --steering 20 -o zig_zag.png",
        "hairpin reward show reward.py --direction reversed",
    ),
)
@click.argument("file", metavar="REWARD")
@click.option("--track", default="hairpin", show_default=True, help="Where, as for train.")
@click.option(
    "--speed",
    type=click.FloatRange(0.1, 4.0),
    default=2.0,
    show_default=True,
    help="The cars' speed, m/s.",
)
@click.option(
    "--steering",
    type=click.FloatRange(-30.0, 30.0),
    default=0.0,
    show_default=True,
    help="Their steering angle, degrees, left positive.",
)
@click.option(
    "--direction",
    type=click.Choice(["forward", "reversed"]),
    default="forward",
    show_default=True,
    help="Which way the track is driven.",
)
@click.option(
    "-o", "--output", metavar="FILE", help="The picture.  [default: REWARD-TRACK.png, here]"
)
@json_option("Print one JSON object.")
def show_reward(
    file: str,
    track: str,
    speed: float,
    steering: float,
    direction: str,
    output: str | None,
    as_json: bool,
) -> None:
    """Draw the reward over a track as heat maps.

    REWARD is a file, or the name of a reward that ships with Hairpin. The large map shows the road
    for cars that look along it, the small ones for cars that look aside, and the two panels the
    reward by place and heading, and by steering angle and speed.
    """
    from sim.reward import reward_path
    from sim.reward_map import reward_map
    from sim.reward_picture import draw_reward
    from sim.reward_states import StateMaker
    from sim.track import Track
    from sim.tracks import info

    loaded = Track.load(track)
    maker = StateMaker(loaded)
    reverse = direction == "reversed"
    found = reward_map(file, maker, speed_mps=speed, steering_deg=steering, reverse=reverse)
    if found.failures == found.calls:
        raise _no_reward(file, track, found)
    name = reward_path(file).stem
    picture = output or f"{name}-{loaded.name.replace(':', '-')}.png"
    driven = f"at {speed:g} m/s"
    if steering:
        driven += f", steering {abs(steering):g}° to the {'left' if steering > 0 else 'right'}"
    if reverse:
        driven += ", driven reversed"
    draw_reward(
        found,
        maker.tracks[reverse],
        picture,
        title=f"What {name} pays on {info(track).title}",
        note=f"{driven}; large: by the place of the nose, for cars that look along the road",
    )
    facts = _facts(found, picture, loaded.name)
    if as_json:
        click.echo(json.dumps(facts, indent=2))
        return
    on_road = facts["looking_ahead"]
    click.echo(
        f"{name} on {loaded.name}, {driven}: {on_road['min']:.3g} to {on_road['max']:.3g}, "
        f"mean {on_road['mean']:.3g}, looking ahead"
    )
    if found.failures:
        click.echo(f"  {found.failures} of {found.calls} calls failed: {found.errors[0].message}")
        click.echo(f"  See why: hairpin validate {file} --track {track}")
    click.echo(f"picture: {picture}")


def _facts(found: RewardMap, picture: str, track: str) -> dict[str, Any]:
    import numpy as np

    rewards = found.ahead.rewards[np.isfinite(found.ahead.rewards)]
    ahead = {"min": rewards.min(), "mean": rewards.mean(), "max": rewards.max()}
    return {
        "picture": picture,
        "track": track,
        "looking_ahead": {key: float(value) for key, value in ahead.items()},
        "calls": found.calls,
        "failures": found.failures,
    }


def _no_reward(file: str, track: str, found: RewardMap) -> Exception:
    from sim.errors import UserError

    return UserError(
        f"no call gave a reward: {found.errors[0].message}",
        where=file,
        fix=f"See why: hairpin validate {file} --track {track}",
    )

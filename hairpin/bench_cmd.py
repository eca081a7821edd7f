"""``hairpin bench``: speed as a ratio to others, or to a limit, taken in one run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from hairpin.bench.output import Output
from hairpin.options import address_option, examples, json_option

if TYPE_CHECKING:
    from hairpin.bench.learn_bench import Learned


@click.group(epilog=examples("hairpin bench sim", "hairpin bench learn --seeds 0,1,2 --json"))
def bench() -> None:
    """Measure speed, on its own and against others.

    What counts are the ratios: processors differ, and both rates of a ratio are taken on the same
    cores within the same minute. sim and train compare with packages that are installed with:
    pip install 'hairpin[bench]'
    """


json_flag = json_option("Print one JSON object.")


@bench.command(epilog=examples("hairpin bench sim", "hairpin bench sim --json"))
@click.option("--cars", type=click.IntRange(1), default=16, show_default=True, help="In a world.")
@click.option("--rounds", type=click.IntRange(1), default=5, show_default=True)
@click.option("--seconds", type=float, default=1.0, show_default=True, help="Of each, a round.")
@json_flag
def sim(cars: int, rounds: int, seconds: float, as_json: bool) -> None:
    """Env steps a second on one core, against Gymnasium's and EnvPool's CarRacing."""
    with Output(as_json) as output:
        from hairpin.bench.sim_bench import OURS, run

        result = run(cars=cars, rounds=rounds, seconds=seconds)
        output.result(result)
        output.rates("env steps/s", result.rates, OURS)
        output.line(
            f"{result.ratio_carracing:.1f}x CarRacing-v3, {result.ratio_envpool:.1f}x EnvPool; "
            f"160x120 at {result.ratio_160x120:.2f} of the 80x60 rate"
        )
        shares = ", ".join(f"{phase} {share:.0%}" for phase, share in result.shares.items())
        output.line(f"of our time at 80x60: {shares}")


@bench.command(epilog=examples("hairpin bench train --json"))
@click.option("--rounds", type=click.IntRange(1), default=3, show_default=True)
@click.option("--seconds", type=float, default=3.0, show_default=True, help="Of each, a round.")
@json_flag
def train(rounds: int, seconds: float, as_json: bool) -> None:
    """Training steps a second, against RLlib's and Stable-Baselines3's own PPO."""
    with Output(as_json) as output:
        from hairpin.bench.train_bench import OURS, run

        result = run(rounds=rounds, seconds=seconds, report=output.note)
        output.result(result)
        output.rates("steps/s", result.rates, OURS)
        output.line(
            f"{result.ratio_limit:.2f} of the limit that sampling and learning in turn allow, "
            f"{result.ratio_rllib:.1f}x RLlib's PPO, "
            f"{result.ratio_sb3:.1f}x Stable-Baselines3's PPO"
        )


@bench.command(epilog=examples("hairpin bench reward --reward reward.py"))
@click.option("--reward", metavar="FILE", help="A reward function. [default: the default job's]")
@click.option("--rounds", type=click.IntRange(1), default=5, show_default=True)
@click.option("--seconds", type=float, default=3.0, show_default=True, help="Of each, a round.")
@json_flag
def reward(reward: str | None, rounds: int, seconds: float, as_json: bool) -> None:
    """Training steps a second with the reward function in its own process, against without."""
    with Output(as_json) as output:
        from hairpin.bench.reward_bench import PROCESS, run

        result = run(reward=reward, rounds=rounds, seconds=seconds, report=output.note)
        output.result(result)
        output.rates("steps/s", result.rates, PROCESS)
        output.line(f"the process costs {1.0 - result.ratio:.1%} of the throughput")


@bench.command(epilog=examples("hairpin bench traces"))
@click.option("--rounds", type=click.IntRange(1), default=26, show_default=True)
@click.option("--seconds", type=float, default=2.0, show_default=True, help="Of each, a round.")
@json_flag
def traces(rounds: int, seconds: float, as_json: bool) -> None:
    """Training steps a second with traces and metrics written, against without."""
    with Output(as_json) as output:
        from hairpin.bench.traces_bench import WITH, run

        result = run(rounds=rounds, seconds=seconds, report=output.note)
        output.result(result)
        output.rates("steps/s", result.rates, WITH)
        output.line(
            f"the traces cost {1.0 - result.ratio:.1%} of the throughput; "
            f"{result.written_mb:,.0f} MB were written"
        )


@bench.command(epilog=examples("hairpin bench video --to rtsp://127.0.0.1:8554"))
@click.option("--to", metavar="WHERE", help="An rtsp:// address. [default: a file]")
@click.option("--rounds", type=click.IntRange(1), default=26, show_default=True)
@click.option("--seconds", type=float, default=2.0, show_default=True, help="Of each, a round.")
@json_flag
def video(to: str | None, rounds: int, seconds: float, as_json: bool) -> None:
    """Training steps a second with one stream of live video, against without."""
    with Output(as_json) as output:
        from hairpin.bench.video_bench import WITH, run

        result = run(to=to, rounds=rounds, seconds=seconds, report=output.note)
        output.result(result)
        output.rates("steps/s", result.rates, WITH)
        output.line(
            f"the video costs {1.0 - result.ratio:.1%} of the throughput; it sends "
            f"{result.frames_per_s:.1f} pictures a second, {result.frame_ms:.1f} ms each"
        )


@bench.command(epilog=examples("hairpin bench scale --workers 256"))
@click.option("--workers", type=click.IntRange(1), default=256, show_default=True)
@click.option(
    "--gigabits", type=float, default=10.0, show_default=True, help="The head's network, a second."
)
@click.option(
    "--learner",
    type=float,
    metavar="STEPS/S",
    help="What another learner takes, such as a GPU's. [default: what this machine's does]",
)
@click.option("--seconds", type=float, default=5.0, show_default=True, help="Of each measurement.")
@click.option(
    "--actors",
    type=click.IntRange(1),
    multiple=True,
    default=(4, 16),
    show_default=True,
    help="To so many at once weights are sent (repeat).",
)
@json_flag
def scale(
    workers: int,
    gigabits: float,
    learner: float | None,
    seconds: float,
    actors: tuple[int, ...],
    as_json: bool,
) -> None:
    """What many workers ask of learner, driver and network, on paper.

    From what one worker, the learner, their messages and Ray's actors are measured to cost here.
    """
    with Output(as_json) as output:
        from hairpin.bench.scale_bench import MIB, needs, run

        one = run(seconds=seconds, receivers=actors, report=output.note)
        output.result(one)
        output.line(
            f"a worker drives {one.worker_steps_per_s:,.0f} steps/s and hands back "
            f"{one.fragment_steps:,} of them, {one.fragment_bytes / one.fragment_steps:,.0f} bytes "
            f"each; the learner takes {one.learner_steps_per_s:,.0f} steps/s"
        )
        sent = ", ".join(f"{n} {seconds * 1e3:.0f} ms" for n, seconds in one.broadcast_s.items())
        output.line(
            f"weights are {one.weights_bytes / MIB:.2f} MiB; until all actors of this machine have "
            f"them: {sent}; a call costs the driver {one.call_s * 1e3:.2f} ms"
        )
        output.line(
            f"an actor takes {one.head_bytes / MIB:.2f} MiB and {one.head_connections:.1f} "
            "connections of Ray's own processes on the head"
        )
        output.line("workers  sampling  network   driver  learning     steps/s  batch MiB  slowest")
        for number in sorted({1, 8, 32, 128, workers}):
            need = needs(one, number, gigabits=gigabits, learner_steps_per_s=learner)
            output.line(
                f"{number:>7}  {need.sampling_s:>6.2f} s  {need.network_s:>5.2f} s"
                f"  {need.driver_s:>5.2f} s  {need.learning_s:>6.2f} s  {need.steps_per_s:>10,.0f}"
                f"  {need.batch_bytes / MIB:>9,.0f}  {need.slowest}"
            )


@bench.command(
    epilog=examples("hairpin bench learn --seeds 0,1,2", "hairpin bench learn --soak 10")
)
@click.option(
    "--tracks",
    "--track",
    "tracks",
    metavar="T,...",
    help="Tracks or route files; all: every track of ours and the routes in $HAIRPIN_TEST_ROUTES. "
    "[default: reinvent_base.npy of that folder, or hairpin]",
)
@click.option("--seeds", metavar="N,...", default="0", show_default=True, help="One run for each.")
@click.option(
    "--minutes", type=float, default=4.0, show_default=True, help="Of training, at most, a run."
)
@click.option("--soak", type=float, metavar="MINUTES", help="Train so long; watch rate and memory.")
@json_flag
def learn(
    tracks: str | None, seeds: str, minutes: float, soak: float | None, as_json: bool
) -> None:
    """Seconds and steps until the real command drives laps; memory; start-up."""
    with Output(as_json) as output:
        from hairpin.bench.learn_bench import choose_tracks

        chosen = choose_tracks(_listed(tracks) if tracks else [])
        if soak is not None:
            _soak(output, chosen, soak)
            return
        from hairpin.bench.learn_bench import run

        numbers = [_whole(seed) for seed in _listed(seeds)]
        result = run(chosen, numbers, minutes=minutes, report=lambda one: output.note(_said(one)))
        output.result(result)


@bench.command(epilog=examples("hairpin bench cluster --address http://127.0.0.1:8265"))
@address_option
@click.option(
    "--workers", metavar="N,...", default="1,2", show_default=True, help="Numbers of workers."
)
@click.option("--rounds", type=click.IntRange(1), default=3, show_default=True)
@click.option("--steps", type=click.IntRange(1), default=60_000, show_default=True, help="Of each.")
@json_flag
def cluster(address: str | None, workers: str, rounds: int, steps: int, as_json: bool) -> None:
    """How sampling scales with workers on a Ray cluster, against this machine."""
    with Output(as_json) as output:
        from hairpin.bench.cluster_bench import run

        counts = tuple(sorted(_whole(count, "--workers") for count in _listed(workers)))
        result = run(
            address=address, workers=counts, rounds=rounds, steps=steps, report=output.note
        )
        output.result(result)
        for place, rates in result.rates.items():
            said = ", ".join(f"{count}: {rate:,.0f}" for count, rate in rates.items())
            output.line(
                f"{place:<8} env steps/s by workers {said}; efficiency "
                f"{result.efficiency[place]:.2f}"
            )
        output.line(f"the cluster's efficiency is {result.ratio:.2f} of this machine's")


def _soak(output: Output, tracks: list[str], minutes: float) -> None:
    from hairpin.bench.soak import run
    from sim.errors import UserError

    if len(tracks) != 1:
        raise UserError("a soak drives one track", where="--tracks")
    result = run(tracks[0], minutes)
    output.result(result)
    for minute, (rate, memory) in enumerate(
        zip(result.steps_per_s, result.memory_mb, strict=False), 1
    ):
        output.line(f"minute {minute:>3}: {rate:>7,.0f} steps/s  {memory:>7,.0f} MB")
    output.line(
        f"slowest minute {result.change:+.1%} of the first; memory "
        f"{result.memory_slope_mb_per_min:+.1f} MB a minute, peak {result.peak_rss_mb:,.0f} MB"
    )


def _said(learned: Learned) -> str:
    def seconds(value: float | None) -> str:
        return "-" if value is None else f"{value:.0f} s"

    def steps(value: int | None) -> str:
        return "-" if value is None else f"{value:,}"

    return (
        f"{learned.track:<24} seed {learned.seed}  start {seconds(learned.startup_s):>5}  "
        f"first lap {seconds(learned.first_lap_s):>5} ({steps(learned.first_lap_steps)} steps)  "
        f"95 % {seconds(learned.seconds_to_95):>5} ({steps(learned.steps_to_95)} steps)  "
        f"{learned.peak_rss_mb:,.0f} MB"
    )


def _listed(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _whole(text: str, option: str = "--seeds") -> int:
    from sim.errors import UserError

    if not text.isdecimal():
        raise UserError(f"{text!r} is no number", where=option, fix="Write for example 0,1,2")
    return int(text)

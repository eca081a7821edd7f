"""What happens in a training run, told to whoever shows it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from sim.episode import Episode
from sim.recording import Recording
from sim.reward import RewardError, RewardUse


@dataclass(frozen=True)
class Started:
    """Workers and learner are ready; the first environment step follows.

    Attributes:
        seconds: Since the run was begun.
        parts: Seconds by part of the start; they overlap, so they add up to more.
        workers: How many sample.
        threads: Learner threads; 0 when the learners are RLlib's remote ones.
        precision: float32 or bfloat16.
        resumed_from: The checkpoint's name, if there was one.
        best_completion, best_lap_s: Of the best greedy evaluation before a resume, 0 to 1 and
            seconds; None without one.
        damaged_checkpoints: How many newer ones were passed over because they are damaged.
    """

    seconds: float
    parts: dict[str, float]
    workers: int
    threads: int
    precision: str
    resumed_from: str | None = None
    best_completion: float | None = None
    best_lap_s: float | None = None
    damaged_checkpoints: int = 0


@dataclass(frozen=True)
class IterationDone:
    """One round of sampling and learning.

    Attributes:
        iteration: Its number, from 1.
        steps: Environment steps so far.
        seconds: Since the run was begun.
        steps_per_s: In this iteration.
        shares: Fractions of its time: physics, camera, reward, inference, learning, sync, other.
        episodes: Episodes that ended in it.
        return_mean: Mean return of them; None if none ended.
        completion_mean: Mean progress of them, 0 to 1; None if none ended.
        losses: policy_loss, value_loss, entropy, kl, clip_fraction, grad_norm, learning_rate,
            explained_variance, minibatches.
        dropped_steps: Steps that ``max_iteration_steps`` left out of what was learned from.
    """

    iteration: int
    steps: int
    seconds: float
    steps_per_s: float
    shares: dict[str, float]
    episodes: list[Episode] = field(repr=False)
    return_mean: float | None
    completion_mean: float | None
    losses: dict[str, float]
    dropped_steps: int = 0


@dataclass(frozen=True)
class Evaluated:
    """A greedy evaluation.

    Attributes:
        iteration: After which iteration.
        steps: Environment steps so far, without those of evaluations.
        seconds: Since the run was begun.
        took_s: How long it took, seconds.
        completion: Mean progress of the trials, 0 to 1.
        laps: Trials that completed the lap.
        trials: All trials.
        lap_times_s: Lap times of those that did, seconds.
        best: Whether it is the best so far, by what ``evaluate.best_by`` says.
        return_mean: Mean return of the trials.
    """

    iteration: int
    steps: int
    seconds: float
    took_s: float
    completion: float
    laps: int
    trials: int
    lap_times_s: list[float]
    best: bool
    return_mean: float


@dataclass(frozen=True)
class DrivenEpisodes:
    """Episodes of a worker.

    Attributes:
        first: The number of the first one, from 0 over the run.
        episodes: The episodes.
        spans_s: Their begin and end, simulated seconds of the worker's world.
        trace: Their steps, as `sim.trace.as_csv` writes them; nothing if none is asked for.
        recording: The drive of one of them, if it was recorded: in training the newest, of an
            evaluation the best.
    """

    first: int
    episodes: list[Episode]
    spans_s: list[tuple[float, float]]
    trace: list[bytes]
    recording: Recording | None = None


@dataclass(frozen=True)
class Driven:
    """Episodes one by one, of an iteration or of a greedy evaluation: not for the history.

    Attributes:
        iteration: Its number, from 1; of an evaluation that of the iteration before it.
        steps: Environment steps so far.
        seconds: Since the run was begun.
        phase: training or evaluation.
        workers: By worker, its episodes.
        losses: As in `IterationDone`; none of an evaluation.
    """

    iteration: int
    steps: int
    seconds: float
    phase: Literal["training", "evaluation"]
    workers: dict[int, DrivenEpisodes] = field(repr=False)
    losses: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Rollout:
    """What a worker handed in for an iteration.

    Attributes:
        steps: Environment steps that it drove.
        at: When it came, Unix time in seconds.
        memory_bytes: Resident memory of the worker's process.
        cpu_s: CPU time that it has used since it started.
    """

    steps: int
    at: float
    memory_bytes: int
    cpu_s: float


@dataclass(frozen=True)
class Measured:
    """What an iteration cost, and whom: for monitoring, not for the history.

    Attributes:
        iteration: Its number, from 1.
        steps: Environment steps so far.
        seconds: Since the run was begun.
        iteration_steps: Environment steps of this iteration.
        phase_s: Wall-clock seconds by phase, as in `IterationDone.shares`.
        rollouts: By worker, what it handed in; a worker that is down is not there.
        healthy: Workers that sample.
        reward_use: What the calls of the reward function took.
        reward_errors: Steps in which it failed.
    """

    iteration: int
    steps: int
    seconds: float
    iteration_steps: int
    phase_s: dict[str, float]
    rollouts: dict[int, Rollout] = field(repr=False)
    healthy: int
    reward_use: RewardUse
    reward_errors: int


@dataclass(frozen=True)
class CheckpointSaved:
    """A checkpoint was published.

    Attributes:
        name: Its name.
        steps: Environment steps so far.
        seconds: Since the run was begun.
        best: Whether it is now the best.
        took_s: How long the training waited for it, seconds.
        size_bytes: Of its files.
    """

    name: str
    steps: int
    seconds: float
    best: bool
    took_s: float
    size_bytes: int


@dataclass(frozen=True)
class RewardFailed:
    """The reward function gave no usable number, in a way not seen before in this run.

    Attributes:
        steps: Environment steps so far.
        seconds: Since the run was begun.
        error: What happened, with the user's traceback and the params.
    """

    steps: int
    seconds: float
    error: RewardError


@dataclass(frozen=True)
class RewardPrinted:
    """The reward function printed something.

    Attributes:
        steps: Environment steps so far.
        seconds: Since the run was begun.
        worker: The worker whose cars it was called for, from 1.
        lines: What it printed, as much as a log can bear.
        dropped: How many lines more it printed.
    """

    steps: int
    seconds: float
    worker: int
    lines: list[str]
    dropped: int


@dataclass(frozen=True)
class RewardSlow:
    """The reward function takes much of the time of driving; told once.

    Attributes:
        steps: Environment steps so far.
        seconds: Since the run was begun.
        share: Its calls' part of the time that the workers drove, 0 to 1.
        mean_s: A call takes so long on average, seconds.
        longest_s: The longest call, seconds.
    """

    steps: int
    seconds: float
    share: float
    mean_s: float
    longest_s: float


@dataclass(frozen=True)
class WorkerLost:
    """A worker died, and Ray starts it again, or it hangs; the others go on meanwhile.

    Attributes:
        steps: Environment steps so far.
        seconds: Since the run was begun.
        worker: Its index, from 1.
        left: Workers that still sample.
    """

    steps: int
    seconds: float
    worker: int
    left: int


@dataclass(frozen=True)
class WorkerRestored:
    """A worker that was lost is back in service.

    Attributes:
        steps: Environment steps so far.
        seconds: Since the run was begun.
        worker: Its index, from 1.
        healthy: Workers that sample now.
    """

    steps: int
    seconds: float
    worker: int
    healthy: int


@dataclass(frozen=True)
class FirstLap:
    """A car completed the lap for the first time, while exploring.

    Attributes:
        steps: Environment steps so far.
        seconds: Since the run was begun.
    """

    steps: int
    seconds: float


@dataclass(frozen=True)
class Ended:
    """The training has ended, for good or ill; the workers are still there.

    Attributes:
        steps: Environment steps so far.
        seconds: Since the run was begun.
        reason: As in `Result`; or nan (the loss was not finite) or error.
    """

    steps: int
    seconds: float
    reason: str


Event = (
    Started
    | IterationDone
    | Evaluated
    | Driven
    | Measured
    | CheckpointSaved
    | RewardFailed
    | RewardPrinted
    | RewardSlow
    | WorkerLost
    | WorkerRestored
    | FirstLap
    | Ended
)

NOT_FOR_HISTORY = (Driven, Measured)
"""Events that come with every iteration and are too long to be kept with a run."""


@dataclass(frozen=True)
class Result:
    """How a run ended.

    Attributes:
        run: Its name.
        folder: Where it is kept.
        steps: Environment steps, with those before a resume.
        seconds: Since the run was begun, start-up included; time before a resume counts too.
        steps_per_s: Steps over the time spent in iterations: without start-up and evaluations.
        first_lap_s: Seconds until the first completed lap; None if there was none.
        first_lap_steps: Environment steps until then.
        completion: Of the best greedy evaluation, 0 to 1; None if there was none.
        best_lap_s: The fastest lap of the best greedy evaluation.
        laps: Laps completed in training.
        stop_reason: goal, minutes, steps, stopped (by the user), drained (its machine had to go)
            or reward.
        error: Why, if the reward function was the reason.
    """

    run: str
    folder: str
    steps: int
    seconds: float
    steps_per_s: float
    first_lap_s: float | None
    first_lap_steps: int | None
    completion: float | None
    best_lap_s: float | None
    laps: int
    stop_reason: str
    error: str | None = None

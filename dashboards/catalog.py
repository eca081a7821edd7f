"""Every metric that Hairpin exports: its name, kind, labels and meaning, in one place.

The exporter creates its metrics from this list and the dashboards and alert rules refer to it, so a
panel cannot ask for a name that nobody exports. Names follow Prometheus' conventions: base units
in the name, ``_total`` on counters, ratios from 0 to 1, times as Unix seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["counter", "gauge", "histogram"]

PREFIX = "hairpin_"


@dataclass(frozen=True)
class Metric:
    """One metric.

    Attributes:
        name: Its whole name, as Prometheus shows it; a histogram's without ``_bucket``.
        kind: counter, gauge or histogram.
        help: The HELP text: what it is and how to read it.
        labels: Labels beside ``run``, which every metric has.
        buckets: Upper bounds of a histogram, without +Inf.
        always: Whether every run that has saved a checkpoint has it; the others are there when
            what they tell of is in use or has happened.
    """

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    always: bool = True


PHASES = (
    "physics",
    "camera",
    "reward",
    "inference",
    "other",
    "learning",
    "sync",
    "evaluation",
    "checkpoint",
    "video",
)
"""Values of the label ``phase`` of `hairpin_phase_seconds_total`; together they are all time."""

LAP_TIME_BUCKETS = (4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 17.5, 20, 25, 30, 40, 60, 90, 120)
CALL_TIME_BUCKETS = (1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 5e-3, 0.025, 0.1, 1.0)


def _metric(
    name: str,
    kind: Kind,
    help_text: str,
    *labels: str,
    buckets: tuple[float, ...] = (),
    always: bool = True,
) -> Metric:
    return Metric(PREFIX + name, kind, help_text, labels, buckets, always)


METRICS: tuple[Metric, ...] = (
    # The run
    _metric(
        "run_info",
        "gauge",
        "Constant 1; its labels say the track, and whether actions are discrete or continuous.",
        "track",
        "actions",
    ),
    _metric("run_start_time_seconds", "gauge", "When this process began to train the run."),
    _metric(
        "run_ended",
        "gauge",
        "1 once the run has ended, by reason: goal, minutes, steps, stopped, drained (with its "
        "machine), reward (the function failed too often), nan (the loss was not finite) or error.",
        "reason",
        always=False,
    ),
    _metric("run_last_iteration_time_seconds", "gauge", "When the last iteration ended."),
    # Driving
    _metric("env_steps_total", "counter", "Environment steps driven to learn from, all workers."),
    _metric(
        "run_env_steps",
        "gauge",
        "Environment steps of the run so far, with those before it was resumed; env_steps_total "
        "counts those of this process.",
    ),
    _metric("iterations_total", "counter", "Iterations: one round of sampling and learning each."),
    _metric("env_steps_per_second", "gauge", "Environment steps a second of the last iteration."),
    _metric(
        "worker_env_steps_total", "counter", "Environment steps that a worker drove.", "worker"
    ),
    _metric(
        "phase_seconds_total",
        "counter",
        "Wall-clock seconds of the training loop by phase. physics, camera, reward, inference and "
        "other are parts of sampling, averaged over the workers.",
        "phase",
    ),
    _metric(
        "episodes_total",
        "counter",
        "Training episodes that ended, by reason: lap_complete, off_track, immobilized, reversed, "
        "time_up.",
        "reason",
    ),
    _metric("episode_return", "gauge", "Mean return of the training episodes that ended last."),
    _metric(
        "episode_progress_ratio",
        "gauge",
        "Mean part of the lap that the training episodes which ended last had completed.",
    ),
    _metric("episode_length_steps", "gauge", "Mean length of those episodes, environment steps."),
    _metric(
        "lap_time_seconds",
        "histogram",
        "Simulated times of completed laps, by phase: training or evaluation.",
        "phase",
        buckets=LAP_TIME_BUCKETS,
        always=False,
    ),
    _metric("best_lap_time_seconds", "gauge", "Fastest lap of a greedy evaluation.", always=False),
    # Greedy evaluation
    _metric("evaluations_total", "counter", "Greedy evaluations."),
    _metric(
        "evaluation_completion_ratio",
        "gauge",
        "Mean part of the lap completed in the last greedy evaluation.",
    ),
    _metric("evaluation_laps_ratio", "gauge", "Part of its trials that completed the lap."),
    _metric("evaluation_return", "gauge", "Mean return of its trials."),
    _metric("best_evaluation_completion_ratio", "gauge", "The same of the best evaluation so far."),
    # The reward function
    _metric("reward_calls_total", "counter", "Calls of the reward function."),
    _metric(
        "reward_call_seconds",
        "histogram",
        "Mean time of a call of the reward function in an iteration, one observation an iteration.",
        buckets=CALL_TIME_BUCKETS,
    ),
    _metric("reward_call_longest_seconds", "gauge", "Longest call in the last iteration."),
    _metric("reward_errors_total", "counter", "Steps in which the reward function failed."),
    # Learning
    _metric("learner_policy_loss", "gauge", "PPO's clipped surrogate loss."),
    _metric("learner_value_loss", "gauge", "Loss of the value function, in units of its scale."),
    _metric("learner_entropy_nats", "gauge", "Mean entropy of the policy."),
    _metric("learner_kl_nats", "gauge", "Mean KL divergence from the policy that drove."),
    _metric("learner_clip_ratio", "gauge", "Part of the samples whose ratio was clipped."),
    _metric(
        "learner_explained_variance_ratio",
        "gauge",
        "How much of the returns' variance the values foresaw: 1 is all, 0 as good as a constant.",
    ),
    _metric("learner_learning_rate", "gauge", "Learning rate."),
    _metric("learner_gradient_norm", "gauge", "Norm of the gradient before it is clipped."),
    # Workers
    _metric("workers_wanted", "gauge", "Rollout workers that the job asks for."),
    _metric("workers_healthy", "gauge", "Rollout workers that sample."),
    _metric("worker_losses_total", "counter", "Rollout workers that died or stopped answering."),
    _metric("worker_restarts_total", "counter", "Rollout workers that came back into service."),
    _metric(
        "worker_last_fragment_time_seconds",
        "gauge",
        "When a worker last handed in a fragment; time() minus this is the fragment's age.",
        "worker",
    ),
    _metric("worker_memory_bytes", "gauge", "Resident memory of a worker's process.", "worker"),
    _metric("driver_memory_bytes", "gauge", "Resident memory of the driver's process."),
    _metric("worker_cpu_seconds_total", "counter", "CPU time of a worker's process.", "worker"),
    _metric("driver_cpu_seconds_total", "counter", "CPU time of the driver's process."),
    # Checkpoints and the store
    _metric("checkpoints_total", "counter", "Checkpoints that the training has written."),
    _metric(
        "checkpoint_last_time_seconds",
        "gauge",
        "When the newest checkpoint was written; time() minus this is its age.",
    ),
    _metric("checkpoint_best_time_seconds", "gauge", "When the best policy was last replaced."),
    _metric(
        "checkpoints_damaged_total",
        "counter",
        "Checkpoints that were found damaged when they were read, and passed over.",
    ),
    _metric("checkpoint_interval_seconds", "gauge", "How often the job wants a checkpoint."),
    _metric("checkpoint_size_bytes", "gauge", "Size of the newest checkpoint."),
    _metric(
        "checkpoint_duration_seconds",
        "gauge",
        "How long the training waited for the newest checkpoint.",
    ),
    _metric(
        "checkpoint_published_time_seconds",
        "gauge",
        "When the newest checkpoint that the store has was published there.",
        always=False,
    ),
    _metric("store_up", "gauge", "1 while the store takes what is sent to it, 0 while it fails."),
    _metric("uploads_total", "counter", "Files that were uploaded to the store."),
    _metric("uploads_pending", "gauge", "Files that wait to be uploaded."),
    _metric("upload_failures_total", "counter", "Attempts to upload that failed."),
    _metric("upload_retries_total", "counter", "Attempts to upload that were repeats."),
    _metric("upload_bytes_total", "counter", "Bytes that were uploaded to the store."),
    _metric("spool_bytes", "gauge", "Bytes on this disk that wait for the store."),
    _metric("spool_limit_bytes", "gauge", "How many may wait before the oldest are dropped."),
    _metric("spool_dropped_total", "counter", "Checkpoints dropped because the spool was full."),
    _metric("disk_free_bytes", "gauge", "Free bytes of the disk that the run is written to."),
    # Video
    _metric(
        "video_up", "gauge", "1 while a stream reaches the video server.", "stream", always=False
    ),
    _metric("video_frames_total", "counter", "Frames sent, by stream.", "stream", always=False),
    _metric(
        "video_frames_dropped_total",
        "counter",
        "Frames dropped because the video server or the encoder was too slow, by stream.",
        "stream",
        always=False,
    ),
    _metric(
        "video_connects_total",
        "counter",
        "Attempts to connect to the video server, by stream.",
        "stream",
        always=False,
    ),
)

QUEUE: tuple[Metric, ...] = (
    _metric("workshop_jobs_waiting", "gauge", "Trainings that wait for their turn.", "tenant"),
    _metric("workshop_jobs_running", "gauge", "Trainings that have their turn.", "tenant"),
    _metric(
        "workshop_longest_wait_seconds",
        "gauge",
        "How long the training that waits longest has waited; 0 if none does.",
        "tenant",
    ),
    _metric(
        "workshop_training_seconds_total",
        "counter",
        "What a participant has used of training, all jobs together, also before the queue began.",
        "tenant",
    ),
)
"""Of a workshop's queue, by participant; "-" is whoever is none. Their label ``run`` is empty."""

BY_NAME = {metric.name: metric for metric in (*METRICS, *QUEUE)}

"""Alerts on what a run learns, and how fast."""

from __future__ import annotations

from dashboards.alerts import NOT_ENDED, Alert, by_run, gained, since_start_or

_STALLED = f"(time() - {since_start_or('hairpin_run_last_iteration_time_seconds')})"
_LOSSES = ("learner_policy_loss", "learner_value_loss", "learner_gradient_norm")
_NOT_A_NUMBER = " or ".join(
    f"(hairpin_{name} != hairpin_{name} or abs(hairpin_{name}) == Inf)" for name in _LOSSES
)
_DISCRETE = 'hairpin_run_info{actions="discrete"}'
_CONTINUOUS = 'hairpin_run_info{actions="continuous"}'

TRAINING_ALERTS = (
    Alert(
        "HairpinNoProgress",
        f"{_STALLED} > 300\n"
        f"unless on (run) {_STALLED} < 5 * 3600 / "
        f"({gained('hairpin_iterations_total', '1h')} > 0)\n{NOT_ENDED}",
        "1m",
        "critical",
        "{{ $labels.run }}: no iteration for {{ $value | humanizeDuration }}",
        "The training has not finished an iteration for five minutes, and for more than five "
        "times as long as an iteration of this run took in the last hour. Nothing is learned; "
        "the last checkpoint is safe.",
        (
            "Is the driver there? `hairpin show RUN` says when it wrote last; its log says what "
            "it waits for.",
            "Are workers healthy (dashboard Cluster)? If none is, look at memory and at Ray's "
            "logs: usually the machine ran out of memory or a node went away.",
            "A reward function that hangs is stopped after a second a call; look at the longest "
            "call on the dashboard Training run.",
            "Otherwise end the driver and go on from the last checkpoint: "
            "`hairpin train --resume RUN`.",
        ),
    ),
    Alert(
        "HairpinRunFailed",
        'max by (run, reason) (hairpin_run_ended{reason=~"error|reward"}) == 1',
        "0s",
        "critical",
        "{{ $labels.run }} ended: {{ $labels.reason }}",
        "The run ended by itself and not because it reached its goal or its limits: an error, or "
        "a reward function that failed in more than 1 % of an iteration's steps. Its last "
        "checkpoint is kept.",
        (
            "Read the last lines of its output: they say what failed and where.",
            "For `reward`: repair the function and try it with `hairpin validate`.",
            "`hairpin train --resume RUN` goes on from the last checkpoint.",
        ),
    ),
    Alert(
        "HairpinLossNotFinite",
        f'count by (run) ({_NOT_A_NUMBER}\n  or hairpin_run_ended{{reason="nan"}} == 1)',
        "0s",
        "critical",
        "{{ $labels.run }}: the loss is not a finite number",
        "The loss or the gradient became NaN or infinite. Hairpin ends such a run rather than "
        "spoil its weights; the checkpoints before are whole.",
        (
            "Look at loss, gradient norm and KL before it happened (dashboard Training run).",
            "Does the reward function return very large numbers? `hairpin reward show` draws what "
            "it pays.",
            "Lower the learning rate, or the number of epochs, and go on: "
            "`hairpin train --resume RUN`.",
        ),
    ),
    Alert(
        "HairpinNotLearning",
        f"{by_run('hairpin_best_evaluation_completion_ratio')} < 0.95\n"
        f"and on (run) {by_run('hairpin_best_evaluation_completion_ratio')} - "
        f"{by_run('hairpin_best_evaluation_completion_ratio offset 1h')} <= 0.01\n"
        f"and on (run) {gained('hairpin_evaluations_total', '1h')} >= 3\n{NOT_ENDED}",
        "10m",
        "info",
        "{{ $labels.run }}: no better than {{ $value | humanizePercentage }} of a lap for an hour",
        "The car does not complete its laps and has not become better in at least three "
        "evaluations within an hour. The training itself works.",
        (
            "How do episodes end (dashboard Training run)? If many stand still or time out, the "
            "reward function pays for that.",
            "Does the return grow while completion does not? Then the reward function pays for "
            "something else than driving on: `hairpin reward show`.",
            "Is the entropy near zero? See HairpinEntropyCollapse.",
            "Try the reward function that Hairpin ships with on the same track; if that learns, "
            "yours is the reason.",
        ),
    ),
    Alert(
        "HairpinEntropyCollapse",
        f"({by_run('hairpin_learner_entropy_nats')} < 0.1 and on (run) {_DISCRETE}\n"
        f"  or {by_run('hairpin_learner_entropy_nats')} < -4 and on (run) {_CONTINUOUS})\n"
        f"and on (run) {by_run('hairpin_evaluation_completion_ratio')} < 0.9\n{NOT_ENDED}",
        "2m",
        "warning",
        "{{ $labels.run }}: it has stopped exploring and does not lap",
        "The policy is all but certain of every action while the car does not complete its laps, "
        "so it no longer tries anything that could be better. A car that laps may be certain.",
        (
            "Go back to the best policy and start from it with a larger entropy coefficient: "
            "`hairpin train --clone RUN@best`.",
            "If the best policy is as certain, start anew with a larger entropy coefficient or a "
            "lower learning rate.",
            "Look for a reward that pays much more for one action than for all others.",
        ),
    ),
    Alert(
        "HairpinRewardErrors",
        f"{gained('hairpin_reward_errors_total', '5m')}\n"
        f"  / {gained('hairpin_reward_calls_total', '5m')} > 0.001\n{NOT_ENDED}",
        "30s",
        "warning",
        "{{ $labels.run }}: the reward function fails in {{ $value | humanizePercentage }} of "
        "its calls",
        "The reward function raises, hangs or returns no number in more than one of a thousand "
        "calls. Such a step is paid nothing. Above 1 % of an iteration's steps the training ends.",
        (
            "Each kind of failure was printed once, with its line: look into the run's output.",
            "`hairpin validate reward.py` tries the function in hundreds of states of a track.",
            "Guard against what it divides by and the indexes it uses: near the start line "
            "`closest_waypoints` wraps around.",
        ),
    ),
    Alert(
        "HairpinThroughputDrop",
        "sum by (run) (rate(hairpin_env_steps_total[3m]))\n"
        "  < 0.5 * sum by (run) (rate(hairpin_env_steps_total[30m] offset 5m))\n"
        f"and on (run) {gained('hairpin_iterations_total', '10m')} > 20\n{NOT_ENDED}",
        "2m",
        "warning",
        "{{ $labels.run }}: half as fast as before, {{ $value | humanize }} steps/s",
        "The run makes less than half of the steps per second that it made in the half hour "
        "before. It goes on learning, only slower.",
        (
            "Are workers missing? See HairpinWorkersMissing.",
            "Which phase grew (dashboard Training run, Where the time goes)? reward: the reward "
            "function became slow; physics and camera: something else uses the processors; "
            "checkpoint: the disk is slow.",
            "`hairpin doctor` on the machine says how many cores it really has.",
        ),
    ),
)

"""The dashboard that a person watches while a car learns."""

from __future__ import annotations

from dashboards.panels import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    RED,
    SKY,
    YELLOW,
    Dashboard,
    Panel,
    Query,
    Row,
    Stat,
    age,
    gauge,
    increase,
    rate,
    rate_of_all,
    series,
)

UID = "hairpin-training"

STATE = Query(
    f"label_replace({gauge('run_info')} unless on (run) {series('run_ended')}, "
    f'"reason", "training", "", "") or {gauge("run_ended", "reason")}',
    "{{reason}}",
)
STEPS_PER_SECOND = rate("env_steps_total")

PHASE_COLORS = (
    ("physics", BLUE),
    ("camera", SKY),
    ("reward", YELLOW),
    ("inference", GREEN),
    ("other", GREY),
    ("learning", ORANGE),
    ("sync", "#B2DF8A"),
    ("evaluation", PURPLE),
    ("checkpoint", RED),
    ("video", "#332288"),
)


def _mean(histogram: str, **labels: str) -> str:
    return f"{rate(histogram + '_sum', **labels)} / {rate(histogram + '_count', **labels)}"


TOP = Row(
    "",
    (
        Stat(
            "State",
            "What the run does: training, or why it ended.",
            "none",
            (STATE,),
            names=True,
        ),
        Stat(
            "Completion",
            "Mean part of the lap that the car completed in the last greedy evaluation. 100 %: "
            "every trial completed its lap.",
            "percentunit",
            (Query(gauge("evaluation_completion_ratio"), "{{run}}"),),
            minimum=0,
            maximum=1,
            thresholds=((0, RED), (0.5, ORANGE), (0.95, GREEN)),
            no_value="not yet",
        ),
        Stat(
            "Best lap",
            "Fastest lap of a greedy evaluation, in simulated time.",
            "s",
            (Query(gauge("best_lap_time_seconds"), "{{run}}", GREEN),),
            decimals=2,
            no_value="no lap yet",
        ),
        Stat(
            "Steps",
            "Environment steps that the run was trained for, with those before a resume.",
            "short",
            (Query(gauge("run_env_steps"), "{{run}}"),),
        ),
        Stat(
            "Steps per second",
            "Environment steps a second of all workers together, with all pauses for learning, "
            "evaluations and checkpoints.",
            "short",
            (Query(STEPS_PER_SECOND, "{{run}}"),),
        ),
        Stat(
            "Workers missing",
            "Rollout workers that the job asks for and that do not sample now.",
            "none",
            (Query(f"{gauge('workers_wanted')} - {gauge('workers_healthy')}", "{{run}}"),),
            thresholds=((0, GREEN), (1, RED)),
            texts=(("0", "none", GREEN),),
        ),
        Stat(
            "Since the last checkpoint",
            "Work that would be lost if the driver died now.",
            "s",
            (Query(age("checkpoint_last_time_seconds"), "{{run}}"),),
            decimals=0,
            no_value="none yet",
        ),
        Stat(
            "Running for",
            "Since this process began to train the run.",
            "s",
            (Query(age("run_start_time_seconds"), "{{run}}", GREY),),
            decimals=1,
        ),
    ),
)

DRIVING = Row(
    "Does it lap?",
    (
        Panel(
            "Completion of the lap",
            "How much of the lap the car completes: in greedy evaluations, which is what the "
            "policy can do, and in training episodes, where it explores and does worse. The share "
            "of trials that completed the whole lap follows later and matters more.",
            "percentunit",
            (
                Query(gauge("evaluation_completion_ratio"), "{{run}} evaluation", BLUE),
                Query(
                    gauge("best_evaluation_completion_ratio"), "{{run}} best", GREEN, dashed=True
                ),
                Query(gauge("evaluation_laps_ratio"), "{{run}} whole laps", ORANGE),
                Query(gauge("episode_progress_ratio"), "{{run}} exploring", GREY),
            ),
            width=12,
            height=10,
            minimum=0,
            maximum=1,
        ),
        Panel(
            "Lap time",
            "Simulated time of completed laps: the mean of evaluations, the mean while exploring, "
            "and the fastest greedy lap so far. Empty until the car completes its first lap.",
            "s",
            (
                Query(_mean("lap_time_seconds", phase="evaluation"), "{{run}} evaluation", BLUE),
                Query(_mean("lap_time_seconds", phase="training"), "{{run}} exploring", GREY),
                Query(gauge("best_lap_time_seconds"), "{{run}} best", GREEN, dashed=True),
            ),
            width=12,
            height=10,
            decimals=2,
        ),
        Panel(
            "Return",
            "Sum of the rewards of an episode. Only comparable between runs with the same reward "
            "function; completion and lap time tell whether what it pays for is what you want.",
            "short",
            (
                Query(gauge("evaluation_return"), "{{run}} evaluation", BLUE),
                Query(gauge("episode_return"), "{{run}} exploring", GREY),
            ),
        ),
        Panel(
            "How episodes end",
            "Shares of the training episodes that ended, of all chosen runs. Off-track should "
            "give way to completed laps; many that time out or stand still tell of a reward "
            "function that pays for not driving.",
            "percentunit",
            (Query(rate_of_all("episodes_total", "reason"), "{{reason}}"),),
            stack="percent",
            colors=(
                ("lap_complete", GREEN),
                ("off_track", RED),
                ("immobilized", PURPLE),
                ("reversed", YELLOW),
                ("time_up", GREY),
            ),
        ),
        Panel(
            "Distribution of lap times",
            "Laps of all chosen runs while exploring, by their simulated time: a narrow band that "
            "moves down is a car that learns to be quick.",
            "s",
            (
                Query(
                    'sum by (le) (increase(hairpin_lap_time_seconds_bucket{run=~"$run",'
                    'phase="training"}[$__rate_interval]))',
                    "{{le}}",
                ),
            ),
            kind="heatmap",
        ),
    ),
)

LEARNING = Row(
    "Learning",
    (
        Panel(
            "Policy loss",
            "PPO's clipped surrogate loss. It hovers around zero; only spikes and NaN tell "
            "something.",
            "short",
            (Query(gauge("learner_policy_loss"), "{{run}}", BLUE),),
            width=6,
            height=7,
        ),
        Panel(
            "Value loss",
            "Error of the value function, in units of the returns' spread. It falls, and rises "
            "for a while whenever the car reaches a new part of the track.",
            "short",
            (Query(gauge("learner_value_loss"), "{{run}}", BLUE),),
            width=6,
            height=7,
        ),
        Panel(
            "Explained variance",
            "How much of the returns' variance the values foresaw. Near 1 is good; below 0 the "
            "value function is worse than a constant.",
            "percentunit",
            (Query(gauge("learner_explained_variance_ratio"), "{{run}}", BLUE),),
            width=6,
            height=7,
            maximum=1,
        ),
        Panel(
            "Entropy",
            "How undecided the policy is. It should fall slowly while completion grows; a fall "
            "to nothing before the car laps means that it has stopped exploring.",
            "none",
            (Query(gauge("learner_entropy_nats"), "{{run}} nats", BLUE),),
            width=6,
            height=7,
            decimals=3,
        ),
        Panel(
            "KL divergence",
            "How far an update moves the policy. Around 0.01 is usual; above 0.05 updates are too "
            "large: lower the learning rate or the number of epochs.",
            "none",
            (Query(gauge("learner_kl_nats"), "{{run}} nats", BLUE),),
            width=6,
            height=7,
            minimum=0,
            decimals=4,
            thresholds=((0, BLUE), (0.05, ORANGE)),
        ),
        Panel(
            "Clipped samples",
            "Part of the samples whose probability ratio was clipped. 5 to 30 % is usual.",
            "percentunit",
            (Query(gauge("learner_clip_ratio"), "{{run}}", BLUE),),
            width=6,
            height=7,
            minimum=0,
        ),
        Panel(
            "Learning rate",
            "Step size of the optimiser.",
            "sci",
            (Query(gauge("learner_learning_rate"), "{{run}}", BLUE),),
            width=6,
            height=7,
            minimum=0,
        ),
        Panel(
            "Gradient norm",
            "Length of the gradient before it is clipped.",
            "short",
            (Query(gauge("learner_gradient_norm"), "{{run}}", BLUE),),
            width=6,
            height=7,
            minimum=0,
        ),
    ),
)

SPEED = Row(
    "Speed",
    (
        Panel(
            "Environment steps per second",
            "What the run achieves with all pauses, and what its last iteration alone achieved. "
            "The distance is evaluations and checkpoints.",
            "short",
            (
                Query(STEPS_PER_SECOND, "{{run}} with all pauses", BLUE),
                Query(gauge("env_steps_per_second"), "{{run}} last iteration", GREY),
            ),
            width=6,
            minimum=0,
        ),
        Panel(
            "Iterations and evaluations",
            "Rounds of sampling and learning, and greedy evaluations, per minute.",
            "cpm",
            (
                Query(f"60 * {rate('iterations_total')}", "{{run}} iterations", BLUE),
                Query(f"60 * {rate('evaluations_total')}", "{{run}} evaluations", ORANGE),
            ),
            width=6,
            minimum=0,
        ),
        Panel(
            "Length of an episode",
            "Mean length of the training episodes that ended last, in environment steps. It grows "
            "while the car learns to stay on the track and shrinks when it gets faster.",
            "short",
            (Query(gauge("episode_length_steps"), "{{run}} steps", BLUE),),
            width=6,
            minimum=0,
        ),
        Panel(
            "Since the last iteration",
            "Saw teeth as high as an iteration takes. A line that goes on rising is a run that "
            "stands still.",
            "s",
            (Query(age("run_last_iteration_time_seconds"), "{{run}}", BLUE),),
            width=6,
            minimum=0,
        ),
        Panel(
            "Where the time goes: $run",
            "Shares of the training loop's wall-clock time. physics, camera, reward, inference and "
            "other are sampling; in learning the workers wait.",
            "percentunit",
            (Query(rate_of_all("phase_seconds_total", "phase"), "{{phase}}"),),
            stack="percent",
            width=24,
            height=9,
            colors=PHASE_COLORS,
            repeat="run",
        ),
    ),
)

REWARD = Row(
    "Reward function",
    (
        Panel(
            "Time of a call",
            "Mean over the iterations, and the longest call of the last iteration. A second is "
            "the limit of a call.",
            "s",
            (
                Query(_mean("reward_call_seconds"), "{{run}} mean", BLUE),
                Query(gauge("reward_call_longest_seconds"), "{{run}} longest", ORANGE),
            ),
            log=True,
            thresholds=((0, BLUE), (1, RED)),
        ),
        Panel(
            "Failed calls",
            "Share of the calls in which the reward function raised, hung or returned no number. "
            "Above 1 % of an iteration's steps the training stops.",
            "percentunit",
            (
                Query(
                    f"{rate('reward_errors_total')} / {rate('reward_calls_total')}",
                    "{{run}}",
                    RED,
                ),
            ),
            minimum=0,
            thresholds=((0, BLUE), (0.01, RED)),
        ),
        Panel(
            "Failures",
            "Steps in which the reward function failed, between two points of the graph.",
            "short",
            (Query(increase("reward_errors_total"), "{{run}}", RED),),
            bars=True,
            minimum=0,
        ),
    ),
)

TRAINING = Dashboard(
    UID,
    "Hairpin: Training run",
    "Does the car lap, how fast, and does it still learn? From the top down in the order in which "
    "one asks.",
    (TOP, DRIVING, LEARNING, SPEED, REWARD),
)

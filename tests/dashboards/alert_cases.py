"""What happens to runs, and at which minutes each alert must and must not fire.

Every case is a run as series of a test of `promtool test rules`: a healthy run, in which the case
replaces some series. Time begins at 0 and a sample comes each quarter of a minute.
"""

from __future__ import annotations

from dataclasses import dataclass

INTERVAL_S = 15
HOURS = 3
SAMPLES = HOURS * 3600 // INTERVAL_S
MINUTE = 60 // INTERVAL_S  # samples
HEALTHY = {
    'hairpin_run_info{track="oval",actions="discrete"}': f"1x{SAMPLES}",
    "hairpin_run_start_time_seconds": f"0x{SAMPLES}",
    "hairpin_run_last_iteration_time_seconds": f"0+15x{SAMPLES}",
    "hairpin_iterations_total": f"0+5x{SAMPLES}",
    "hairpin_env_steps_total": f"0+60000x{SAMPLES}",
    "hairpin_evaluations_total": f"0+1x{SAMPLES}",
    "hairpin_evaluation_completion_ratio": f"1x{SAMPLES}",
    "hairpin_best_evaluation_completion_ratio": f"1x{SAMPLES}",
    "hairpin_learner_policy_loss": f"0.01x{SAMPLES}",
    "hairpin_learner_value_loss": f"0.2x{SAMPLES}",
    "hairpin_learner_gradient_norm": f"0.5x{SAMPLES}",
    "hairpin_learner_entropy_nats": f"0.05x{SAMPLES}",  # certain, and rightly: it laps
    "hairpin_reward_calls_total": f"0+60000x{SAMPLES}",
    "hairpin_reward_errors_total": f"0+1x{SAMPLES}",
    "hairpin_workers_wanted": f"2x{SAMPLES}",
    "hairpin_workers_healthy": f"2x{SAMPLES}",
    "hairpin_worker_losses_total": f"0x{SAMPLES}",
    "hairpin_checkpoint_last_time_seconds": f"0+15x{SAMPLES}",
    "hairpin_checkpoint_published_time_seconds": f"0+15x{SAMPLES}",
    "hairpin_checkpoint_interval_seconds": f"60x{SAMPLES}",
    "hairpin_checkpoint_size_bytes": f"5000000x{SAMPLES}",
    "hairpin_checkpoints_damaged_total": f"0x{SAMPLES}",
    "hairpin_store_up": f"1x{SAMPLES}",
    "hairpin_uploads_total": f"0+5x{SAMPLES}",
    "hairpin_upload_failures_total": f"0x{SAMPLES}",
    "hairpin_spool_bytes": f"1000000x{SAMPLES}",
    "hairpin_spool_limit_bytes": f"2000000000x{SAMPLES}",
    "hairpin_spool_dropped_total": f"0x{SAMPLES}",
    "hairpin_disk_free_bytes": f"60000000000-1000000x{SAMPLES}",
    'hairpin_video_up{stream="eval"}': f"1x{SAMPLES}",
    'hairpin_video_frames_total{stream="eval"}': f"0+225x{SAMPLES}",
    'hairpin_video_frames_dropped_total{stream="eval"}': f"0+1x{SAMPLES}",
}
LOCAL_STORE = {
    "hairpin_checkpoint_published_time_seconds": None,
    "hairpin_spool_bytes": f"0x{SAMPLES}",
    "hairpin_spool_limit_bytes": f"0x{SAMPLES}",
    "hairpin_uploads_total": f"0x{SAMPLES}",
}


def until(minute: float, before: str, after: str) -> str:
    """`before`, a value or steps as in ``0+5``, and from a minute on `after`."""
    samples = int(minute * MINUTE)
    if after in ("NaN", "Inf"):  # which promtool does not repeat
        return f"{before}x{samples - 1} {' '.join([after] * (SAMPLES - samples))}"
    return f"{before}x{samples - 1} {after}x{SAMPLES - samples}"


def gone(minute: float, before: str) -> str:
    """`before`, and from a minute on nothing: the endpoint could not be read."""
    samples = int(minute * MINUTE)
    return f"{before}x{samples - 1} stale"


@dataclass(frozen=True)
class Case:
    """What happens to a run, and what an alert makes of it.

    Attributes:
        alert: Its name.
        series: Those that differ from a healthy run's; None for those that it lacks.
        silent: Minutes at which it must not fire.
        fires: Minutes at which it must.
    """

    alert: str
    series: dict[str, str | None]
    silent: tuple[float, ...]
    fires: tuple[float, ...] = ()


INFO = 'hairpin_run_info{track="oval",actions="discrete"}'
LAST = "hairpin_run_last_iteration_time_seconds"
STANDS = {
    LAST: until(60, "0+15", "3600"),
    "hairpin_iterations_total": until(60, "0+5", "1200"),
}
CASES = [
    Case("HairpinNoProgress", STANDS, silent=(30, 60, 65), fires=(67, 90, 170)),
    Case(  # no iteration at all
        "HairpinNoProgress",
        {LAST: None, "hairpin_iterations_total": f"0x{SAMPLES}"},
        silent=(1, 5),
        fires=(7, 60),
    ),
    Case(  # a resumed run tells of its last iteration before the resume
        "HairpinNoProgress",
        {
            "hairpin_run_start_time_seconds": f"3600x{SAMPLES}",
            LAST: f"10x{SAMPLES}",
            "hairpin_iterations_total": f"0x{SAMPLES}",
        },
        silent=(61, 65),
        fires=(67,),
    ),
    Case(  # iterations of eight minutes are slow, not stalled
        "HairpinNoProgress",
        {
            LAST: " ".join(f"{480 * n}x{8 * MINUTE - 1}" for n in range(HOURS * 60 // 8)),
            "hairpin_iterations_total": " ".join(
                f"{n}x{8 * MINUTE - 1}" for n in range(HOURS * 60 // 8)
            ),
        },
        silent=(31, 63, 95, 127, 150),
    ),
    Case(
        "HairpinRunFailed",
        {'hairpin_run_ended{reason="error"}': f"_x{60 * MINUTE} 1x{SAMPLES}"},
        silent=(59,),
        fires=(61,),
    ),
    Case(
        "HairpinRunFailed",
        {'hairpin_run_ended{reason="goal"}': f"_x{60 * MINUTE} 1x{SAMPLES}"},
        silent=(59, 61, 90),
    ),
    Case(
        "HairpinLossNotFinite",
        {"hairpin_learner_policy_loss": until(30, "0.01", "NaN")},
        silent=(10, 29.5),
        fires=(30, 31, 60),
    ),
    Case(
        "HairpinLossNotFinite",
        {"hairpin_learner_gradient_norm": until(30, "0.5", "Inf")},
        silent=(10, 29.5),
        fires=(30, 31, 60),
    ),
    Case(
        "HairpinLossNotFinite",
        {'hairpin_run_ended{reason="nan"}': f"_x{30 * MINUTE} 1x{SAMPLES}"},
        silent=(29,),
        fires=(31,),
    ),
    Case(
        "HairpinNotLearning",
        {"hairpin_best_evaluation_completion_ratio": until(20, "0+0.005", "0.4")},
        silent=(30, 60, 79, 88),
        fires=(91, 120),
    ),
    Case(  # it becomes better all the time
        "HairpinNotLearning",
        {"hairpin_best_evaluation_completion_ratio": f"0+0.001x{SAMPLES}"},
        silent=(75, 120, 170),
    ),
    Case(
        "HairpinEntropyCollapse",
        {"hairpin_evaluation_completion_ratio": until(20, "1", "0.3")},
        silent=(19, 21),
        fires=(22.25, 60),
    ),
    Case(  # what would be little of discrete actions is much of continuous ones
        "HairpinEntropyCollapse",
        {
            INFO: None,
            'hairpin_run_info{track="oval",actions="continuous"}': f"1x{SAMPLES}",
            "hairpin_evaluation_completion_ratio": f"0.3x{SAMPLES}",
            "hairpin_learner_entropy_nats": until(20, "-1", "-5"),
        },
        silent=(10, 21),
        fires=(22.25,),
    ),
    Case(
        "HairpinRewardErrors",
        {"hairpin_reward_errors_total": until(30, "0", "0+300")},
        silent=(29, 30.25),
        fires=(32, 60),
    ),
    Case(
        "HairpinThroughputDrop",
        {"hairpin_env_steps_total": until(60, "0+60000", "14400000+20000")},
        silent=(1, 5, 10, 59, 61),
        fires=(66,),
    ),
    Case(
        "HairpinWorkerLost",
        {"hairpin_worker_losses_total": until(30, "0", "1")},
        silent=(29, 40),
        fires=(30.5, 34),
    ),
    Case(
        "HairpinWorkersMissing",
        {"hairpin_workers_healthy": until(30, "2", "1")},
        silent=(29, 31.75),
        fires=(32.25, 60),
    ),
    Case(  # back within two minutes
        "HairpinWorkersMissing",
        {"hairpin_workers_healthy": f"2x{30 * MINUTE} 1x{MINUTE} 2x{SAMPLES}"},
        silent=(29, 31, 33, 60),
    ),
    Case(
        "HairpinCheckpointOld",
        {"hairpin_checkpoint_last_time_seconds": until(30, "0+15", "1800")},
        silent=(29, 33),
        fires=(35, 60),
    ),
    Case(
        "HairpinCheckpointOld",
        {"hairpin_checkpoint_last_time_seconds": None},
        silent=(1, 3),
        fires=(5, 60),
    ),
    Case(
        "HairpinCheckpointNotPublished",
        {"hairpin_checkpoint_published_time_seconds": until(30, "0+15", "1800")},
        silent=(29, 33),
        fires=(35, 60),
    ),
    Case(
        "HairpinCheckpointDamaged",
        {"hairpin_checkpoints_damaged_total": until(30, "0", "1")},
        silent=(29, 50),
        fires=(30.5, 40),
    ),
    Case(  # found at the resume, before anybody read the metric
        "HairpinCheckpointDamaged",
        {"hairpin_checkpoints_damaged_total": f"1x{SAMPLES}"},
        silent=(16, 60),
        fires=(1, 14),
    ),
    Case(
        "HairpinStoreDown",
        {"hairpin_store_up": until(30, "1", "0")},
        silent=(29, 30.25),
        fires=(30.75, 60),
    ),
    Case(
        "HairpinUploadsFailing",
        {"hairpin_upload_failures_total": until(30, "0", "0+3")},
        silent=(29, 41),
        fires=(43, 60),
    ),
    Case(  # the store was away for two minutes, and that is over
        "HairpinUploadsFailing",
        {"hairpin_upload_failures_total": f"0x{30 * MINUTE} 0+3x{2 * MINUTE} 24x{SAMPLES}"},
        silent=(31, 33, 36, 40, 45, 60),
    ),
    Case(
        "HairpinSpoolFilling",
        {"hairpin_spool_bytes": f"0+10000000x{SAMPLES}"},
        silent=(30, 35),
        fires=(36, 60),
    ),
    Case(
        "HairpinSpoolDropping",
        {"hairpin_spool_dropped_total": until(30, "0", "1")},
        silent=(29, 50),
        fires=(30.5, 40),
    ),
    Case(
        "HairpinDiskLow",
        {"hairpin_disk_free_bytes": until(30, "60000000000", "900000000")},
        silent=(29, 30.75),
        fires=(31.25, 60),
    ),
    Case(  # 2 GB are little for checkpoints of 200 MB
        "HairpinDiskLow",
        {
            "hairpin_disk_free_bytes": f"2000000000x{SAMPLES}",
            "hairpin_checkpoint_size_bytes": until(30, "5000000", "200000000"),
        },
        silent=(29, 30.75),
        fires=(31.25,),
    ),
    Case(
        "HairpinDiskFilling",
        {"hairpin_disk_free_bytes": until(60, "40000000000", "40000000000-100000000")},
        silent=(30, 60, 69),
        fires=(90,),
    ),
    Case(
        "HairpinVideoDown",
        {'hairpin_video_up{stream="eval"}': until(30, "1", "0")},
        silent=(29, 30.25),
        fires=(30.75, 60),
    ),
    Case(
        "HairpinVideoDropping",
        {'hairpin_video_frames_dropped_total{stream="eval"}': until(30, "0", "0+100")},
        silent=(29, 31.75),
        fires=(33.5, 60),
    ),
    Case(  # HairpinVideoDown says it all
        "HairpinVideoDropping",
        {
            'hairpin_video_frames_dropped_total{stream="eval"}': until(30, "0", "0+225"),
            'hairpin_video_up{stream="eval"}': until(30, "1", "0"),
        },
        silent=(29, 33, 60),
    ),
    Case(
        "HairpinMetricsGone",
        {name: gone(30, "1" if name == INFO else "0+15") for name in HEALTHY},
        silent=(29, 30.75, 100),
        fires=(31.5, 60, 89),
    ),
    Case(  # it ended, was forgotten five minutes later, and so it is to be
        "HairpinMetricsGone",
        {
            **{name: gone(35, "1" if name == INFO else "0+15") for name in HEALTHY},
            'hairpin_run_ended{reason="goal"}': f"_x{30 * MINUTE} 1x{5 * MINUTE} stale",
        },
        silent=(29, 36, 60, 89),
    ),
]

"""What each setting of deepracer-for-cloud means for a job: taken over, or why not."""

from __future__ import annotations

import math
from collections.abc import Callable

from hairpin.deepracer.drfc_job import DrfcJob, Setting
from hairpin.deepracer.env_file import EnvValue
from hairpin.deepracer.small_file import shorten
from sim.errors import UserError, did_you_mean

Taker = Callable[[DrfcJob, str, EnvValue], None]
"""Sees to one setting, by its key and its value there; raises `UserError` if it is malformed."""


def reason_of(key: str) -> str:
    """Why a setting that is not in `TAKEN` is not taken over."""
    for beginning, reason in _DROPPED:
        if key.startswith(beginning):
            return reason
    if not key.startswith("DR_"):
        return "not a setting of deepracer-for-cloud"
    suggestion = did_you_mean(key, TAKEN, count=1)
    close = suggestion.startswith("Did") and key.startswith(("DR_TRAIN_", "DR_EVAL_", "DR_WOR"))
    return f"not known. {suggestion}" if close else _OTHER


def flag(value: EnvValue) -> bool:
    """A value as true or false, as deepracer-for-cloud writes them.

    Raises:
        UserError: It is neither.
    """
    text = value.text.lower()
    if text not in ("true", "false", "1", "0", "yes", "no"):
        raise UserError(f"{shorten(value.text)} is not True or False", where=value.where)
    return text in ("true", "1", "yes")


def _number(value: EnvValue, low: float, high: float, allowed: str, whole: bool) -> float:
    try:
        number: float = int(value.text) if whole else float(value.text)
    except ValueError:
        number = math.nan
    if not low <= number <= high:  # neither is NaN
        raise UserError(
            f"{shorten(value.text)} is not {'a whole number' if whole else 'a number'} of "
            f"{allowed}",
            where=value.where,
        )
    return number


def _whole(way: str, low: int, high: int) -> Taker:
    def take(job: DrfcJob, key: str, value: EnvValue) -> None:
        number = int(_number(value, low, high, f"{low} to {high}", True))
        job.take(key, value, way, number)

    return take


def _real(way: str, low: float, high: float) -> Taker:
    def take(job: DrfcJob, key: str, value: EnvValue) -> None:
        number = _number(value, low, high, f"{low:g} to {high:g}", False)
        job.take(key, value, way, number)

    return take


def _truth(way: str) -> Taker:
    def take(job: DrfcJob, key: str, value: EnvValue) -> None:
        job.take(key, value, way, flag(value))

    return take


def _off(reason: str) -> Taker:
    """A setting of which only "off" means something here."""

    def take(job: DrfcJob, key: str, value: EnvValue) -> None:
        job.drop(key, value, reason if flag(value) else "off, as here")

    return take


def _part_of_lap(way: str) -> Taker:
    def take(job: DrfcJob, key: str, value: EnvValue) -> None:
        number = _number(value, 0.0, 1.0, "0 to 1", False)
        job.take(key, value, way, number % 1.0)

    return take


def _world(job: DrfcJob, key: str, value: EnvValue) -> None:
    job.world = value
    job.settings.append(Setting(key, value.text, value.where, "track"))


def _race_type(job: DrfcJob, key: str, value: EnvValue) -> None:
    known = ("TIME_TRIAL", "OBJECT_AVOIDANCE", "HEAD_TO_BOT", "HEAD_TO_MODEL", "F1")
    if value.text not in known:
        raise UserError(
            f"{shorten(value.text)} is not one of {', '.join(known)}",
            where=value.where,
            fix=did_you_mean(value.text, known),
        )
    if value.text == "TIME_TRIAL":
        job.drop(key, value, "what is trained here")
    else:
        job.drop(key, value, "there is no other car and no box yet: the job is a time trial")


def _change_start(job: DrfcJob, key: str, value: EnvValue) -> None:
    if flag(value):
        job.drop(key, value, "on, as here: the start moves on by round_robin")
    else:
        job.take(key, value, "round_robin", 0.0, "the start stays where it is")


def _round_robin(job: DrfcJob, key: str, value: EnvValue) -> None:
    if ("round_robin",) in job.values:
        job.drop(key, value, "the start does not move: DR_TRAIN_CHANGE_START_POSITION")
    else:
        _part_of_lap("round_robin")(job, key, value)


def _metric(job: DrfcJob, key: str, value: EnvValue) -> None:
    ours = {"progress": "progress", "reward": "reward", "laptime": "lap_time"}
    if value.text not in ours:
        raise UserError(f"{shorten(value.text)} is not one of {', '.join(ours)}", where=value.where)
    job.take(key, value, "evaluate.best_by", ours[value.text])


def _pretrained(job: DrfcJob, key: str, value: EnvValue) -> None:
    job.drop(
        key,
        value,
        "TensorFlow checkpoints cannot be converted; train that model here first, then --clone RUN"
        if flag(value)
        else "off, as here",
    )


def _direction_flag(job: DrfcJob, key: str, value: EnvValue) -> None:
    if flag(value):
        job.settings.append(Setting(key, value.text, value.where, "direction"))
    else:
        job.drop(key, value, "off, as here")


TAKEN: dict[str, Taker] = {
    "DR_WORLD_NAME": _world,
    "DR_RACE_TYPE": _race_type,
    "DR_WORKERS": _whole("workers", 1, 1000),
    "DR_TRAIN_CHANGE_START_POSITION": _change_start,
    "DR_TRAIN_ROUND_ROBIN_ADVANCE_DIST": _round_robin,
    "DR_TRAIN_START_POSITION_OFFSET": _part_of_lap("start_offset"),
    "DR_TRAIN_REVERSE_DIRECTION": _direction_flag,
    "DR_TRAIN_ALTERNATE_DRIVING_DIRECTION": _direction_flag,
    "DR_TRAIN_MIN_EVAL_TRIALS": _whole("evaluate.starts", 1, 1000),
    "DR_TRAIN_BEST_MODEL_METRIC": _metric,
    "DR_TRAIN_MAX_STEPS_PER_ITERATION": _whole("ppo.max_iteration_steps", 100, 10**9),
    "DR_TRAIN_MULTI_CONFIG": _off("all workers of a job drive on one track"),
    "DR_ENABLE_DOMAIN_RANDOMIZATION": _off("colours and lights are not varied here"),
    "DR_LOCAL_S3_PRETRAINED": _pretrained,
    "DR_EVAL_NUMBER_OF_TRIALS": _whole("race.laps", 1, 1000),
    "DR_EVAL_IS_CONTINUOUS": _truth("race.continuous"),
    "DR_EVAL_MAX_RESETS": _whole("race.max_resets", 0, 10_000),
    "DR_EVAL_OFF_TRACK_PENALTY": _real("race.off_track_penalty_s", 0.0, 600.0),
    "DR_EVAL_REVERSE_DIRECTION": _off("said to the command: hairpin evaluate --direction reversed"),
}

_DROPPED = (  # beginnings of keys, and why these mean nothing here; the first that fits
    ("DR_OA_", "there are no boxes on the road yet"),
    ("DR_H2B_", "there are no other cars on the road yet"),
    ("DR_EVAL_OPP_", "there are no other cars on the road yet"),
    ("DR_EVAL_COLLISION_PENALTY", "there is nothing on the road to collide with yet"),
    ("DR_EVAL_RESET_BEHIND_DIST", "there is nothing on the road to collide with yet"),
    ("DR_EVAL_CHECKPOINT", "said to the command: hairpin evaluate RUN@best or RUN@latest"),
    ("DR_EVAL_SAVE_MP4", "said to the command: hairpin evaluate --video"),
    ("DR_TRAIN_RTF", "simulated time runs as fast as the machine can"),
    ("DR_EVAL_RTF", "simulated time runs as fast as the machine can"),
    ("DR_LOCAL_S3_PRETRAINED", "TensorFlow checkpoints cannot be converted"),
    ("DR_LOCAL_S3_MODEL_PREFIX", "runs are named with --run"),
    ("DR_LOCAL_S3_", "no meaning here: runs are kept in --storage"),
    ("DR_UPLOAD_", "no meaning here: runs are kept in --storage"),
    ("DR_AWS_", "no meaning here: there is no AWS account"),
    ("DR_CLOUD", "no meaning here: there is no AWS account"),
    ("DR_KINESIS_", "no meaning here: there is no video stream"),
    ("DR_CAMERA_", "no meaning here: there is no camera of the simulator's to move"),
    ("DR_CAR_", "only looks and names"),
    ("DR_DISPLAY_NAME", "only looks and names"),
    ("DR_RACER_NAME", "only looks and names"),
    ("DR_RUN_ID", "no meaning here: runs are named with --run"),
)
_OTHER = "no meaning here: it is about containers, ports, screens or logs of deepracer-for-cloud"

"""A job: everything that `hairpin train` can be told, from a file, a folder or the command line."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, model_validator

from hairpin.deepracer.folder import (
    MODEL_FILES,
    REWARD_NAME,
    ModelFolder,
    find_file,
    read_model_folder,
)
from hairpin.job_errors import explain
from hairpin.job_file import JobFile, read_job_file
from hairpin.places import split_reference, storage_url
from learner.settings import (
    EvaluateSettings,
    PPOSettings,
    Preset,
    StopSettings,
    TraceSettings,
    TrainSettings,
    check_exploration,
)
from sim.errors import UserError, did_you_mean
from sim.machine import available_cores
from sim.race_settings import RaceSettings
from sim.settings import Settings, WorldSettings

JOB_NAMES = ("job.yaml", "job.yml", "job.json")
MAX_WORKERS = 1000
SOURCES_KEY = "sources"  # which `--show-job --json` adds for programs, and no job needs


class Job(WorldSettings):
    """What to train, on what, for how long, and where to keep it.

    The settings of the world stand at the top level, except that the camera comes with `preset`.
    """

    camera: Literal["fast", "deepracer"] = Field(default="fast", exclude=True, repr=False)
    preset: Preset = Field(
        default="fast",
        description="Camera and network: fast is 80x60 and built for CPUs; deepracer is 160x120 "
        "with DeepRacer's usual network, deepracer_deep and deepracer_deeper with its larger ones.",
    )
    workers: int | None = Field(
        default=None, ge=1, le=MAX_WORKERS, description="Processes that drive; default: one a core."
    )
    cars_per_worker: int = Field(default=16, ge=1, le=512, description="Cars in a worker's world.")
    ppo: PPOSettings = Field(default=PPOSettings(), description="The learning algorithm's numbers.")
    evaluate: EvaluateSettings = Field(
        default=EvaluateSettings(), description="Greedy evaluation while training."
    )
    race: RaceSettings = Field(
        default=RaceSettings(), description="The rules of `hairpin evaluate`."
    )
    trace: TraceSettings = Field(
        default=TraceSettings(),
        description="Files with every step and every episode, for DeepRacer's tools.",
    )
    checkpoint_every_s: float = Field(
        default=60.0, gt=0.0, description="Time between checkpoints, s."
    )
    stop: StopSettings = Field(
        default=StopSettings(), description="When to stop: whatever of these comes first."
    )
    seed: int = Field(default=0, ge=0, le=2**31 - 1, description="Of all random numbers.")
    num_learners: int = Field(
        default=0, ge=0, le=64, description="Learner processes; 0 learns in the driver."
    )
    num_gpus_per_learner: float = Field(
        default=0.0, ge=0.0, le=8.0, description="GPUs of each learner."
    )
    clone: str | None = Field(
        default=None,
        description="Start from the weights of RUN, RUN@best, RUN@latest or RUN@STEP, in the same "
        "storage; what the job does not say is then as in that run.",
    )
    run: str | None = Field(default=None, description="The run's name; default: made up.")
    storage: str | None = Field(
        default=None, description="Where runs are kept; default: $HAIRPIN_STORAGE or ./runs."
    )
    address: str | None = Field(
        default=None, description="A Ray cluster's address; default: Ray starts on this machine."
    )

    @model_validator(mode="before")
    @classmethod
    def _camera_follows_preset(cls, data: Any) -> Any:
        if isinstance(data, Mapping):
            if "camera" in data:
                raise ValueError("unknown key 'camera'. The camera comes with preset")
            preset = data.get("preset")
            large = isinstance(preset, str) and preset.startswith("deepracer")
            return {**data, "camera": "deepracer" if large else "fast"}
        return data

    @model_validator(mode="after")
    def _exploration_fits(self) -> Job:
        check_exploration(self.ppo, self)
        return self

    def world_settings(self) -> WorldSettings:
        """The part that the simulator needs."""
        return WorldSettings(**{name: getattr(self, name) for name in WorldSettings.model_fields})

    def train_settings(self) -> TrainSettings:
        """The part that the training loop needs."""
        return TrainSettings(
            world=self.world_settings(),
            network=self.preset,
            workers=min(
                self.workers or available_cores(), self.ppo.episodes_per_iteration or MAX_WORKERS
            ),
            cars_per_worker=self.cars_per_worker,
            ppo=self.ppo,
            evaluate=self.evaluate,
            trace=self.trace,
            checkpoint_every_s=self.checkpoint_every_s,
            stop=self.stop,
            seed=self.seed,
            num_learners=self.num_learners,
            num_gpus_per_learner=self.num_gpus_per_learner,
        )


@dataclass(frozen=True)
class LoadedJob:
    """A job, and what should be said about how it was read.

    Attributes:
        job: The job.
        notes: What should be said to the user.
        sources: Where each value is from, by the way to it joined with dots: an option, the line
            of a job file, the file and key of a model's folder, or "default".
    """

    job: Job
    notes: list[str] = field(default_factory=list)
    sources: dict[str, str] = field(default_factory=dict)


# The options of the command line, by the way to what they set.
OPTIONS: dict[tuple[str, ...], str] = {
    ("track",): "--track",
    ("reward",): "--reward",
    ("preset",): "--preset",
    ("workers",): "--workers",
    ("stop", "minutes"): "--minutes",
    ("stop", "steps"): "--steps",
    ("stop", "until"): "--until",
    ("seed",): "--seed",
    ("clone",): "--clone",
    ("run",): "--run",
    ("storage",): "--storage",
    ("address",): "--address",
}


def load_job(
    source: str | None = None, options: Mapping[tuple[str, ...], Any] | None = None
) -> LoadedJob:
    """Reads a job and lays the command line's options over it.

    Args:
        source: A .yaml, .yml or .json file; a folder with reward_function.py, a job file, or both;
            or None for the default job. Paths in a file are relative to the file.
        options: Values by the way to what they set, see `OPTIONS`; None values are left out. Paths
            are relative to the working directory.

    Raises:
        UserError: Something is missing, malformed, unknown or out of range.
    """
    given = {way: value for way, value in (options or {}).items() if value is not None}
    file, folder = _read_source(Path(source)) if source is not None else (None, ModelFolder())
    said = {key: value for key, value in (file.data if file else {}).items() if key != SOURCES_KEY}
    base = file.path.parent if file else Path()
    data = _merged(folder.values, _with_absolute_paths(said, base))
    _lay_over(data, given)
    notes, origin, below = folder.notes, "", {}
    if isinstance(data.get("clone"), str):
        from hairpin.clone import inherited

        below = inherited(data["clone"], data.get("storage"))
        origin, _ = split_reference(data["clone"])
        notes = [*notes, f"what is not said is as in run {origin}"]
        data = _merged(below, data)

    def source_of(way: Sequence[str | int]) -> str | None:
        option = OPTIONS.get(tuple(str(part) for part in way))
        if option and tuple(way) in given:
            return option
        in_file = file is not None and file.has(way)
        said = file.where(way) if file and in_file else folder.source(way)
        return said or (f"run {origin}" if way and way[0] in below else None)

    def where(way: Sequence[str | int]) -> str:
        return source_of(way) or (file.where(way) if file else source or "the job")

    job = validate_job(data, where)
    job = job.model_copy(update={"stop": job.stop.or_default()})
    sources = {".".join(way): source_of(way) or "default" for way in _ways(job)}
    return LoadedJob(job, notes, sources)


def validate_job(data: Mapping[str, Any], where: Any) -> Job:
    """Makes a `Job` of plain values; `where` names the place of a way, for the `UserError`."""
    try:
        return Job.model_validate(data)
    except ValidationError as error:
        raise explain(error, data, where) from None


def resolved(job: Job) -> Job:
    """`job` with what depends on this machine filled in: workers and storage."""
    workers = job.workers or available_cores()
    storage = absolute(storage_url(job.storage), Path())
    return job.model_copy(update={"workers": workers, "storage": storage})


def _read_source(path: Path) -> tuple[JobFile | None, ModelFolder]:
    """The job file, if there is one, and what a folder's other files say."""
    if path.is_file():
        if path.suffix == ".py":
            raise UserError(
                "this is a Python file, not a job",
                where=str(path),
                fix=f"For a reward function: --reward {path}",
            )
        if path.suffix not in (".yaml", ".yml", ".json"):
            raise UserError("a job is a .yaml, .yml or .json file, or a folder", where=str(path))
        return read_job_file(path), ModelFolder()
    if not path.is_dir():
        raise UserError("there is no such job file or folder", where=str(path), fix=_near(path))
    jobs = [path / name for name in JOB_NAMES if (path / name).exists()]
    if len(jobs) > 1:
        raise UserError(
            f"there are {' and '.join(job.name for job in jobs)}",
            where=str(path),
            fix="Keep one of them.",
        )
    folder = read_model_folder(path)
    if not jobs and "reward" not in folder.values:
        others = [name for name in MODEL_FILES if find_file(path, name)]
        found = f", only {' and '.join(others)}" if others else ""
        raise UserError(
            f"the folder has neither {REWARD_NAME} nor job.yaml{found}",
            where=str(path),
            fix="Put your reward function there, or name a job file.",
        )
    return read_job_file(jobs[0]) if jobs else None, folder


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Both, key by key, where `above` wins; an action space is replaced as a whole."""
    result = dict(below)
    for key, value in above.items():
        inner = result.get(key)
        both = isinstance(inner, Mapping) and isinstance(value, Mapping) and key != "actions"
        result[key] = {**inner, **value} if both and isinstance(inner, Mapping) else value
    return result


def _ways(settings: Settings, before: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The ways to all values of a job."""
    for name, info in type(settings).model_fields.items():
        value = getattr(settings, name)
        if info.exclude:
            continue
        if isinstance(value, Settings):
            yield from _ways(value, (*before, name))
        else:
            yield (*before, name)


def _near(path: Path) -> str:
    try:
        names = [p.name for p in (path.parent if path.name else Path()).iterdir()]
    except OSError:
        return ""
    suggestion = did_you_mean(path.name, [n for n in names if n not in MODEL_FILES])
    return suggestion if suggestion.startswith("Did") else ""


def _with_absolute_paths(data: dict[str, Any], base: Path) -> dict[str, Any]:
    result = dict(data)
    for key in ("track", "reward", "storage"):
        value = result.get(key)
        if isinstance(value, str) and (key == "storage" or looks_like_path(value)):
            result[key] = absolute(value, base)
    return result


def looks_like_path(value: str) -> bool:
    """Whether a track or reward is a file's path and not the name of one of ours."""
    return value.endswith((".npy", ".py")) or "/" in value or os.sep in value


def absolute(value: str, base: Path) -> str:
    """The path `value`, taken from `base` if it is relative; addresses stay as they are."""
    if "://" in value:
        return value
    return os.path.abspath(base / Path(value).expanduser())


def _lay_over(data: dict[str, Any], given: Mapping[tuple[str, ...], Any]) -> None:
    for way, value in given.items():
        if isinstance(value, str) and way in (("track",), ("reward",)) and looks_like_path(value):
            value = absolute(value, Path())
        elif way == ("storage",):
            value = absolute(value, Path()) if value else value
        target = data
        for part in way[:-1]:
            inner = target.get(part)
            if inner is None:
                inner = {}
            if not isinstance(inner, Mapping):
                return  # malformed in the file, which validation says better
            target[part] = dict(inner)
            target = target[part]
        target[way[-1]] = value

"""Reads a job from a file, a folder or another run, and lays the command line's options over it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hairpin.deepracer.folder import (
    MODEL_FILES,
    REWARD_NAME,
    ModelFolder,
    find_file,
    read_model_folder,
)
from hairpin.job import Job, validate_job
from hairpin.job_file import JobFile, read_job_file
from hairpin.places import absolute, looks_like_path, split_reference
from sim.errors import UserError, did_you_mean
from sim.settings import Settings

JOB_NAMES = ("job.yaml", "job.yml", "job.json")
SOURCES_KEY = "sources"  # which `--show-job --json` adds for programs, and no job needs


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
    ("video", "to"): "--video",
    ("metrics_port",): "--metrics-port",
    ("address",): "--address",
}


def load_job(
    source: str | None = None,
    options: Mapping[tuple[str, ...], Any] | None = None,
    *,
    inherit: bool = True,
) -> LoadedJob:
    """Reads a job and lays the command line's options over it.

    Args:
        source: A .yaml, .yml or .json file; a folder with reward_function.py, a job file, or both;
            or None for the default job. Paths in a file are relative to the file.
        options: Values by the way to what they set, see `OPTIONS`; None values are left out. Paths
            are relative to the working directory.
        inherit: Whether a clone takes up what the other run's job says, for which its storage is
            looked into.

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
    if inherit and isinstance(data.get("clone"), str):
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

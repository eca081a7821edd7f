"""Makes a job folder of what DeepRacer's tools left: what is kept, what is not, and why."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from hairpin.deepracer.archive import unpack
from hairpin.deepracer.drfc import env_of_training_params, job_of_env, read_env_files
from hairpin.deepracer.drfc_job import DrfcJob
from hairpin.deepracer.folder import MODEL_FILES, ModelFolder, find_file, read_model_folder
from hairpin.deepracer.shape import contents, list_files, shape_of
from hairpin.deepracer.small_file import read_bytes
from hairpin.deepracer.worlds import find_route, route_name
from hairpin.job import validate_job
from hairpin.job_file import read_job_file
from hairpin.job_source import load_job
from sim.errors import UserError

PARAMS_NAME = "training_params.yaml"
JOB_NAME = "job.yaml"


@dataclass(frozen=True)
class Row:
    """One line of the report.

    Attributes:
        what: A file, a setting, or a kind of files.
        outcome: kept, dropped or missing.
        detail: What it became, or why it is not kept.
    """

    what: str
    outcome: str
    detail: str


@dataclass
class Import:
    """A job folder about to be written.

    Attributes:
        kind: What was imported.
        files: The content of each file, by its name in the job folder.
        rows: What should be reported.
        notes: What reading the three files has to say.
    """

    kind: str
    files: dict[str, bytes] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def import_model(source: Path, routes: Path | None) -> Import:
    """Reads a model's folder or archive, downloaded from any of DeepRacer's tools.

    Args:
        source: The folder, or a .tar.gz.
        routes: A folder of route files (.npy), for the model's track.

    Raises:
        UserError: There is no part of a model in it, or one is malformed.
    """
    if source.is_dir():
        return _import_files(source, list_files(source), routes)
    if not source.exists():
        raise UserError("there is no such folder or archive", where=str(source))
    with tempfile.TemporaryDirectory(prefix="hairpin-") as place:
        inside = Path(place) / "model"
        inside.mkdir()
        paths = unpack(source, (*MODEL_FILES, PARAMS_NAME), inside)
        with _named(str(inside), str(source)):
            result = _import_files(inside, paths, routes)
        result.notes = [note.replace(str(inside), str(source)) for note in result.notes]
        result.files[JOB_NAME] = result.files[JOB_NAME].replace(
            str(inside).encode(), source.name.encode("utf-8", "backslashreplace")
        )
        return result


def import_drfc(folder: Path, routes: Path | None) -> Import:
    """Reads a folder of deepracer-for-cloud: run.env, system.env and custom_files.

    Raises:
        UserError: There is neither env file, or something that matters is malformed.
    """
    settings = job_of_env(read_env_files(folder))
    custom = folder / "custom_files"
    model = custom if custom.is_dir() else folder
    result = Import("deepracer-for-cloud folder")
    _take_files(model, result)
    _write_job(settings, read_model_folder(model), routes, result)
    return result


def write_import(result: Import, folder: Path) -> None:
    """Writes the job folder, and reads it once as `hairpin train` will.

    Raises:
        UserError: The folder cannot be made, or there is something in it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise UserError(
                "there is something in it", where=str(folder), fix="Name another folder with -o."
            )
        for name, content in result.files.items():
            (folder / name).write_bytes(content)
    except OSError as error:
        raise UserError(
            f"cannot write it: {(error.strerror or str(error)).lower()}", where=str(folder)
        ) from error
    load_job(str(folder))


def _import_files(folder: Path, paths: list[str], routes: Path | None) -> Import:
    result = Import(shape_of(paths))
    _take_files(folder, result)
    params = folder / PARAMS_NAME
    settings = DrfcJob()
    if os.path.lexists(params):
        settings = job_of_env(env_of_training_params(read_job_file(params).data, params))
    if not any(name in result.files for name in MODEL_FILES):
        raise UserError(
            f"has no {', no '.join(MODEL_FILES[:-1])} and no {MODEL_FILES[-1]}",
            where=str(folder),
            fix="They are at the top of a model's folder, in model/ or in ip/.",
        )
    _write_job(settings, read_model_folder(folder), routes, result)
    result.rows += [
        Row(f"{kind}: {number}", "dropped", fate) for kind, number, fate in contents(paths)
    ]
    return result


def _take_files(folder: Path, result: Import) -> None:
    """Copies a model's three files as they are."""
    stand_in = {
        MODEL_FILES[0]: "our centre_line is paid until you put yours there",
        MODEL_FILES[1]: "our usual action space and preset are used",
        MODEL_FILES[2]: "our usual numbers are used",
    }
    for name in MODEL_FILES:
        path = find_file(folder, name)
        if path is None:
            result.rows.append(Row(name, "missing", stand_in[name]))
        else:
            result.files[name] = read_bytes(path)
            result.rows.append(Row(name, "kept", str(path.relative_to(folder))))


def _write_job(settings: DrfcJob, model: ModelFolder, routes: Path | None, result: Import) -> None:
    """Checks the job as a whole, and adds job.yaml and the lines of the report."""
    values: dict[tuple[str, ...], Any] = dict(settings.values)
    comments = dict(settings.sources)
    missing = ""
    if settings.world is not None:
        name = route_name(settings.world.text)
        route = find_route(settings.world.text, routes)
        if isinstance(route, Path):
            file = route.name
            result.files[file] = read_bytes(route, 64 << 20)
            values[("track",)] = f"./{file}"
        elif route is not None:
            values[("track",)] = route
        else:
            missing = (
                f"# The route of {ascii(name)[1:-1]} is missing. Put the .npy file here and write "
                "track: ./FILE.npy, or import again with --routes FOLDER.\n"
            )
        comments[("track",)] = settings.world.where
    nested = _nested(values)
    checked = {key: value for key, value in nested.items() if key != "track"}
    both = {
        key: {**model.values[key], **value} if isinstance(model.values.get(key), dict) else value
        for key, value in checked.items()
    }

    def where(way: Sequence[str | int]) -> str:
        named = settings.sources.get(tuple(str(part) for part in way))
        return named or model.source(way) or "the job"

    validate_job({**model.values, **both}, where)
    result.files[JOB_NAME] = (missing + _text(nested, comments)).encode()
    result.notes += [note for note in model.notes if " has no " not in note]
    for setting in settings.settings:
        # Its name in the file: a training_params.yaml has others than run.env.
        what = f"{setting.where.rpartition(': ')[2]}={setting.value}"
        if setting.key == "DR_WORLD_NAME" and missing:
            detail = (
                "no route file of that name is at hand: the job drives on our hairpin until you "
                "give --routes FOLDER or --track FILE.npy"
            )
            result.rows.append(Row(what, "missing", detail))
        elif setting.way:
            detail = f"{setting.way}: {_at(nested, setting.way)}"
            result.rows.append(Row(what, "kept", detail))
        else:
            result.rows.append(Row(what, "dropped", setting.reason))


def _at(nested: Mapping[str, Any], way: str) -> Any:
    node: Any = nested
    for part in way.split("."):
        node = node[part]
    return node


def _nested(values: Mapping[tuple[str, ...], Any]) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for way, value in values.items():
        node = nested
        for part in way[:-1]:
            node = node.setdefault(part, {})
        node[way[-1]] = value
    return nested


def _text(
    nested: Mapping[str, Any], comments: Mapping[tuple[str, ...], str], before: tuple[str, ...] = ()
) -> str:
    """YAML, with the place that each value is from behind it."""
    if not nested and not before:
        return "{}\n"
    indent = "  " * len(before)
    text = ""
    for key, value in nested.items():
        way = (*before, key)
        if isinstance(value, dict):
            text += f"{indent}{key}:\n" + _text(value, comments, way)
        else:
            plain = yaml.safe_dump(value, default_flow_style=True, width=1000)
            comment = ascii(comments.get(way, ""))[1:-1]
            text += f"{indent}{key}: {plain.removesuffix(chr(10) + '...' + chr(10)).strip()}"
            text += f"  # {comment}\n" if comment else "\n"
    return text


@contextlib.contextmanager
def _named(inside: str, outside: str) -> Iterator[None]:
    """Says in errors the archive instead of where it is unpacked for a moment."""
    try:
        yield
    except UserError as error:
        raise UserError(
            error.what.replace(inside, outside),
            where=error.where.replace(inside, outside),
            fix=error.fix.replace(inside, outside),
        ) from error

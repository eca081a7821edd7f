"""Reads a job file, and remembers which line says what."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from sim.errors import UserError

Path_ = tuple[str | int, ...]  # the way to a value: keys of mappings, indices of lists


@dataclass(frozen=True)
class JobFile:
    """The content of a job file.

    Attributes:
        path: The file.
        data: What it says.
        lines: The line, from 1, of each value by the way to it, for example ``("stop", "steps")``.
    """

    path: Path
    data: Mapping[str, Any]
    lines: Mapping[Path_, int] = field(default_factory=dict)

    def where(self, way: Sequence[str | int]) -> str:
        """Names the file and, if known, the line of the value at `way`."""
        for length in range(len(way), 0, -1):
            line = self.lines.get(tuple(way[:length]))
            if line is not None:
                return f"{self.path}, line {line}"
        return str(self.path)


def read_job_file(path: Path) -> JobFile:
    """Reads a .yaml, .yml or .json file that holds one mapping.

    Raises:
        UserError: It cannot be read, is malformed, says a key twice, or is no mapping.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(
            f"cannot read the job: {(error.strerror or str(error)).lower()}", where=str(path)
        ) from error
    except UnicodeDecodeError as error:
        raise UserError("the job is not UTF-8 text", where=str(path)) from error
    data, lines = (_from_json if path.suffix == ".json" else _from_yaml)(text, path)
    if data is None:
        data = {}
    if not isinstance(data, dict):
        raise UserError(
            "a job is a mapping of keys to values",
            where=str(path),
            fix="See `hairpin train --show-job` for one.",
        )
    return JobFile(path, data, lines)


def _from_yaml(text: str, path: Path) -> tuple[Any, dict[Path_, int]]:
    lines: dict[Path_, int] = {}
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        if root is not None:
            _note_lines(root, (), lines, path)
        return yaml.safe_load(text), lines
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{path}, line {mark.line + 1}, column {mark.column + 1}" if mark else str(path)
        raise UserError(f"not valid YAML: {error.problem or error.context}", where=where) from error
    except yaml.YAMLError as error:
        message = " ".join(str(error).split())
        raise UserError(f"not valid YAML: {message}", where=str(path)) from error
    except RecursionError as error:
        raise UserError("not valid YAML: nested too deeply", where=str(path)) from error


def _from_json(text: str, path: Path) -> tuple[Any, dict[Path_, int]]:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        seen: dict[str, Any] = {}
        for key, value in pairs:
            if key in seen:
                raise UserError(f"the key {key!r} is there twice", where=str(path))
            seen[key] = value
        return seen

    try:
        data = json.loads(text, object_pairs_hook=once)
    except json.JSONDecodeError as error:
        raise UserError(
            f"not valid JSON: {error.msg}",
            where=f"{path}, line {error.lineno}, column {error.colno}",
        ) from error
    except RecursionError as error:
        raise UserError("not valid JSON: nested too deeply", where=str(path)) from error
    lines: dict[Path_, int] = {}
    try:  # nearly all JSON is YAML, whose parser knows the lines; without them, no lines are said
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        if root is not None:
            _note_lines(root, (), lines, path)
    except yaml.YAMLError:
        lines = {}
    return data, lines


def _note_lines(node: yaml.Node, way: Path_, lines: dict[Path_, int], path: Path) -> None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            here = (*way, str(key.value))
            line = key.start_mark.line + 1
            if here in lines:
                raise UserError(
                    f"the key {key.value!r} is there twice, first on line {lines[here]}",
                    where=f"{path}, line {line}",
                )
            lines[here] = line
            _note_lines(value, here, lines, path)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            lines[(*way, index)] = value.start_mark.line + 1
            _note_lines(value, (*way, index), lines, path)

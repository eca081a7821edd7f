"""Reads a job file, and remembers which line says what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from hairpin.deepracer.small_file import parse_json, read_text
from sim.errors import UserError

MAX_VALUES = 20_000
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

    def has(self, way: Sequence[str | int]) -> bool:
        """Whether the file itself says the value at `way`, or what it is in."""
        node: Any = self.data
        for depth, part in enumerate(way):
            if isinstance(node, Mapping):
                if part not in node:
                    return depth > 0 and way[0] == "actions"
                node = node[part]
            elif isinstance(node, list) and isinstance(part, int) and part < len(node):
                node = node[part]
            else:
                return True  # something malformed stands in its place
        return True

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
    text = read_text(path)
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
    except (ValueError, TypeError, LookupError) as error:  # for example the 31st of February
        message = " ".join(str(error).split())
        raise UserError(f"not valid YAML: {message}", where=str(path)) from error


def _from_json(text: str, path: Path) -> tuple[Any, dict[Path_, int]]:
    data = parse_json(text, str(path))
    lines: dict[Path_, int] = {}
    try:  # nearly all JSON is YAML, whose parser knows the lines; without them, no lines are said
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        if root is not None:
            _note_lines(root, (), lines, path)
    except (yaml.YAMLError, ValueError, RecursionError):
        lines = {}
    return data, lines


def _note_lines(node: yaml.Node, way: Path_, lines: dict[Path_, int], path: Path) -> None:
    if len(lines) > MAX_VALUES:  # aliases of aliases make billions of a few lines
        raise UserError(f"has more than {MAX_VALUES:,} values", where=str(path))
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

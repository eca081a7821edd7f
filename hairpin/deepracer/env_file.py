"""run.env and system.env of deepracer-for-cloud: KEY=VALUE lines, read and never executed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from hairpin.deepracer.small_file import read_text, shorten
from sim.errors import UserError

_LINE = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)=(.*)")


@dataclass(frozen=True)
class EnvValue:
    """A value and where it stands.

    Attributes:
        text: The value, without quotes.
        where: File, line and key.
    """

    text: str
    where: str


def read_env(path: Path) -> dict[str, EnvValue]:
    """Reads a file of KEY=VALUE lines; a later line wins, as in a shell.

    Nothing is executed or filled in: a value with ``$`` stays as it is written.

    Raises:
        UserError: It cannot be read, or a line is not KEY=VALUE.
    """
    return parse_env(read_text(path), str(path))


def parse_env(text: str, where: str) -> dict[str, EnvValue]:
    """The values in the text of such a file; `where` names the file.

    Raises:
        UserError: A line is not KEY=VALUE, or a quote is not closed.
    """
    values: dict[str, EnvValue] = {}
    for number, line in enumerate(text.split("\n"), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            raise UserError(f"{shorten(line)} is not KEY=VALUE", where=f"{where}, line {number}")
        key, rest = match.groups()
        place = f"{where}, line {number}: {key}"
        values[key] = EnvValue(_unquoted(rest, place), place)
    return values


def _unquoted(text: str, where: str) -> str:
    text = text.strip()
    if text[:1] in ("'", '"'):
        end = text.find(text[0], 1)
        rest = text[end + 1 :].strip()
        if end < 0 or (rest and not rest.startswith("#")):
            raise UserError(f"{shorten(text)} has a quote too many or too few", where=where)
        return text[1:end]
    return re.split(r"(?:^|\s)#", text, maxsplit=1)[0].strip()

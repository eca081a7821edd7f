"""Reads the small text and JSON files of a model, whatever they turn out to be."""

from __future__ import annotations

import codecs
import json
import os
import stat
from pathlib import Path
from typing import Any, NoReturn

from sim.errors import UserError

LIMIT_BYTES = 1 << 20  # a thousand actions need a tenth of it
MAX_DEPTH = 40  # the deepest of these files has three levels
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def read_bytes(path: Path, limit_bytes: int = LIMIT_BYTES) -> bytes:
    """The content of a plain file of at most `limit_bytes`.

    Raises:
        UserError: It is no plain file, is too large, or cannot be read.
    """
    try:
        # Not to wait for the other end of a named pipe.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        with os.fdopen(descriptor, "rb") as file:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                raise UserError("is not a plain file", where=str(path))
            content = file.read(limit_bytes + 1)
    except (OSError, ValueError) as error:  # ValueError: a path with a NUL
        reason = getattr(error, "strerror", None) or str(error)
        raise UserError(f"cannot read it: {reason.lower()}", where=str(path)) from error
    if len(content) > limit_bytes:
        size = max(found.st_size, len(content))
        raise UserError(
            f"is too large: {size:,} bytes, and such a file has at most {limit_bytes:,}",
            where=str(path),
        )
    return content


def read_text(path: Path, limit_bytes: int = LIMIT_BYTES) -> str:
    """The text of a UTF-8 file, without a byte order mark; see `read_bytes`.

    Raises:
        UserError: Also if it is not UTF-8 text.
    """
    return decode(read_bytes(path, limit_bytes), str(path))


def decode(content: bytes, where: str) -> str:
    """UTF-8 as text, without a byte order mark.

    Raises:
        UserError: It is not UTF-8, or not text; `where` names what it was.
    """
    if content.startswith(_UTF16):
        raise UserError("is UTF-16 text", where=where, fix="Save it as UTF-8.")
    if b"\0" in content:
        raise UserError("is not text: it has zero bytes", where=where)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(
            f"is not UTF-8 text, at byte {error.start}", where=where, fix="Save it as UTF-8."
        ) from error


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file; see `parse_json`."""
    return parse_json(read_text(path), str(path))


def parse_json(text: str, where: str) -> dict[str, Any]:
    """The one object that a JSON text holds.

    Raises:
        UserError: It is not JSON, says a key twice, has NaN or infinity, is nested more than
            `MAX_DEPTH` deep, or is no object; `where` names the file.
    """

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        seen: dict[str, Any] = {}
        for key, value in pairs:
            if key in seen:
                raise UserError(f"the key {shorten(key)} is there twice", where=where)
            seen[key] = value
        return seen

    def refuse(word: str) -> NoReturn:
        raise UserError(f"{word} is not a number that JSON has", where=where)

    try:
        data = json.loads(text, object_pairs_hook=once, parse_constant=refuse)
    except json.JSONDecodeError as error:
        raise UserError(
            f"not valid JSON: {error.msg}",
            where=f"{where}, line {error.lineno}, column {error.colno}",
        ) from error
    except RecursionError as error:
        raise UserError("not valid: nested too deeply", where=where) from error
    except ValueError as error:  # a number with more digits than Python reads
        raise UserError("not valid: it has a number of thousands of digits", where=where) from error
    if not isinstance(data, dict):
        raise UserError("is not a JSON object, { ... }", where=where)
    if _deeper_than(data, MAX_DEPTH):
        raise UserError("not valid: nested too deeply", where=where)
    return data


def shorten(value: Any) -> str:
    """A value as Python writes it, on one line, cut to what a message has room for."""
    text = ascii(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def _deeper_than(data: Any, levels: int) -> bool:
    layer = [data]
    while layer:
        if levels == 0:
            return True
        levels -= 1
        layer = [
            inner
            for value in layer
            for inner in (value.values() if isinstance(value, dict) else value)
            if isinstance(inner, dict | list)
        ]
    return False

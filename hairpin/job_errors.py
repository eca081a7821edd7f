"""Turns what pydantic finds wrong with a job into one line that a user can act on."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from sim.errors import UserError, did_you_mean
from sim.settings import MAX_SPEED_MPS, MAX_STEERING_DEG, MIN_SPEED_MPS

_KINDS = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "string": "text",
    "list": "a list",
    "tuple": "a list",
    "dict": "a mapping of keys to values",
    "model": "a mapping of keys to values",
}


def explain(
    error: ValidationError,
    data: Mapping[str, Any],
    where: Callable[[Sequence[str | int]], str],
    allowed: Callable[[Sequence[str | int]], str] | None = None,
) -> UserError:
    """Makes a `UserError` of the first thing that is wrong, and says how many more there are.

    Args:
        error: As pydantic raised it.
        data: What was validated.
        where: Names the file and line, or the option, that a way of keys and indices leads to.
        allowed: Says in a sentence what is allowed at a way; left out, only the ranges of speeds
            and steering angles are said.
    """
    details = error.errors(include_url=False)
    first = details[0]
    way = _way(first, data)
    what, fix = _explain_one(first, way)
    if allowed is not None and not fix and first["type"] != "literal_error":  # it names them all
        fix = allowed(way)
    unknown = re.match(r"unknown key '([^']*)'", what)
    more = f" (and {len(details) - 1} more)" if len(details) > 1 else ""
    if unknown:
        place = where([*way, unknown[1]])
        key = _spell(way)
        return UserError(what + more, where=f"{place}: {key}" if key else place, fix=fix)
    if not way:
        return UserError(what + more, where=where(way), fix=fix)
    place = where(way)
    named = place.startswith("--")  # an option names itself
    return UserError(what + more, where=place if named else f"{place}: {_spell(way)}", fix=fix)


def _way(detail: ErrorDetails, data: Mapping[str, Any]) -> list[str | int]:
    """The keys and indices in the user's data; pydantic puts the tags of unions among them."""
    way: list[str | int] = []
    node: Any = data
    for part in detail["loc"]:
        inside_mapping = isinstance(node, Mapping) and part in node
        inside_list = isinstance(node, list | tuple) and isinstance(part, int)
        if inside_mapping or (inside_list and int(part) < len(node)):
            way.append(part)
            node = node[part]
    if detail["type"] in ("missing", "union_tag_not_found"):
        way.append(detail["loc"][-1] if detail["type"] == "missing" else "type")
    return way


def _explain_one(detail: ErrorDetails, way: Sequence[str | int]) -> tuple[str, str]:
    kind, given, context = detail["type"], detail.get("input"), detail.get("ctx", {})
    shown = _show(given)
    bounds = {
        "greater_than_equal": ("is below", "ge"),
        "greater_than": ("is not above", "gt"),
        "less_than_equal": ("is above", "le"),
        "less_than": ("is not below", "lt"),
    }
    if kind == "value_error":
        what, _, fix = detail["msg"].removeprefix("Value error, ").partition(". ")
        return what, fix
    if kind in bounds:
        relation, bound = bounds[kind]
        return f"{shown} {relation} {context[bound]:g}", _range_of(way)
    if kind in ("literal_error", "enum"):
        choices = re.findall(r"'([^']*)'", str(context["expected"]))
        return f"{shown} is not one of {', '.join(choices)}", did_you_mean_only(given, choices)
    if kind == "union_tag_invalid":
        choices = re.findall(r"'([^']*)'", str(context["expected_tags"]))
        return f"{context['tag']!r} is not a type of {_spell(way)}", did_you_mean(
            str(context["tag"]), choices
        )
    if kind in ("missing", "union_tag_not_found"):
        return "is missing", "Write type: discrete or type: continuous." if way[
            -1
        ] == "type" else ""
    if kind == "finite_number":
        return f"{shown} is not a finite number", ""
    if kind == "too_short":
        return f"needs at least {context['min_length']} entries, has {context['actual_length']}", ""
    if kind == "too_long":
        return f"takes at most {context['max_length']} entries, has {context['actual_length']}", ""
    if kind == "string_unicode":
        return f"{shown} is not valid Unicode", ""
    wanted = _KINDS.get(kind.split("_")[0])
    if wanted and kind.endswith(("_type", "_parsing", "_from_float", "_attributes_type")):
        return f"{shown} is not {wanted}", ""
    message = detail["msg"]
    return message[:1].lower() + message[1:], ""


def did_you_mean_only(word: Any, known: Sequence[str]) -> str:
    """A suggestion if one is near; nothing otherwise, where the choices were already named."""
    suggestion = did_you_mean(str(word), known)
    return suggestion if suggestion.startswith("Did") else ""


def _range_of(way: Sequence[str | int]) -> str:
    """Says what is allowed where that is a property of the car."""
    is_pair = "pairs" in way
    if "speed_mps" in way or (is_pair and way[-1] == 1):
        return f"Speeds are {MIN_SPEED_MPS:g} to {MAX_SPEED_MPS:g} m/s."
    if "steering_deg" in way or (is_pair and way[-1] == 0):
        return f"Steering angles are {-MAX_STEERING_DEG:g} to {MAX_STEERING_DEG:g} degrees."
    return ""


def _spell(way: Sequence[str | int]) -> str:
    """Writes a way as people do: ``actions.speed_mps[1]``."""
    text = ""
    for part in way:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def _show(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."

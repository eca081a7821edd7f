"""Writes the chart's README: its text, and a table of all values from the comments in values.yaml.

usage: python helm/readme.py [--check]
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import yaml

CHART = Path(__file__).resolve().parent / "hairpin"
MARK = "<!-- values -->\n"
KEY = re.compile(r"^(\s*)([A-Za-z0-9_]+):")
COMMENT = re.compile(r"^\s*# -- (.*)$")
MAX_DEFAULT = 60


def described(text: str) -> list[tuple[str, str]]:
    """The ways of all keys that have a comment, joined with dots, with their comments."""
    found: list[tuple[str, str]] = []
    way: list[tuple[int, str]] = []
    comment = None
    for line in text.splitlines():
        if said := COMMENT.match(line):
            comment = said[1]
        elif key := KEY.match(line):
            depth = len(key[1])
            way = [*((d, name) for d, name in way if d < depth), (depth, key[2])]
            if comment:
                found.append((".".join(name for _, name in way), comment))
            comment = None
    return found


def default(values: dict[str, Any], way: str) -> str:
    """A value, as it is shown in the table."""
    value: Any = values
    for name in way.split("."):
        value = value[name]
    text = json.dumps(value)
    return f"`{text}`" if len(text) <= MAX_DEFAULT else "see values.yaml"


def table() -> str:
    """All values that have a comment."""
    text = (CHART / "values.yaml").read_text(encoding="utf-8")
    values = yaml.safe_load(text)
    rows = [f"| `{way}` | {default(values, way)} | {said} |" for way, said in described(text)]
    return "\n".join(["| value | default | meaning |", "| --- | --- | --- |", *rows, ""])


def main() -> int:
    """Writes README.md, or says whether it is up to date."""
    path = CHART / "README.md"
    now = path.read_text(encoding="utf-8")
    new = now.partition(MARK)[0] + MARK + table()
    if "--check" in sys.argv[1:]:
        if now != new:
            print("helm/hairpin/README.md is not up to date: python helm/readme.py")
        return int(now != new)
    path.write_text(new, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

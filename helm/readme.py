"""Writes parts of the chart's README: the picture of `paths.yaml`, and the table of `values.yaml`.

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
PATHS = CHART.parent / "paths.yaml"
VALUES = "<!-- values -->\n"
PICTURE, PICTURE_ENDS = "<!-- picture -->\n", "<!-- end of picture -->\n"
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


def picture() -> str:
    """All paths between those that the picture shows, as a diagram of Mermaid."""
    paths = yaml.safe_load(PATHS.read_text(encoding="utf-8"))
    drawn = set(re.findall(r"^ +(\w+)[\[(]", paths["picture"], re.MULTILINE))
    arrows = []
    for source, targets in paths["open"].items():
        for target, ports in targets.items():
            if source == target or not {source, target} <= drawn:
                continue
            if ports != "any":
                text = ",<br/>".join(map(str, ports))
                arrows.append(f'{source} -- "{text}" --> {target}')
            elif f"{target} <--> {source}" not in arrows:
                arrows.append(f"{source} <--> {target}")
    lines = ["```mermaid", paths["picture"].rstrip(), *(f"    {arrow}" for arrow in arrows), "```"]
    return "\n".join([*lines, ""])


def main() -> int:
    """Writes README.md, or says whether it is up to date."""
    path = CHART / "README.md"
    now = path.read_text(encoding="utf-8")
    before, _, rest = now.partition(PICTURE)
    after = rest.partition(PICTURE_ENDS)[2].partition(VALUES)[0]
    new = before + PICTURE + picture() + PICTURE_ENDS + after + VALUES + table()
    if "--check" in sys.argv[1:]:
        if now != new:
            print("helm/hairpin/README.md is not up to date: python helm/readme.py")
        return int(now != new)
    path.write_text(new, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

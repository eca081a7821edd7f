"""The page of runbooks: every alert has its place, and the commands it tells exist."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import yaml

from hairpin.cli import cli

FOLDER = Path(__file__).resolve().parents[2] / "dashboards"
PAGE = (FOLDER / "RUNBOOKS.md").read_text(encoding="utf-8")


def test_every_alert_leads_to_its_section() -> None:
    headings = {
        line.removeprefix("### ").lower() for line in PAGE.splitlines() if line[:4] == "### "
    }
    rules = yaml.safe_load((FOLDER / "alerts" / "hairpin.rules.yml").read_text(encoding="utf-8"))
    anchors = {
        rule["annotations"]["runbook_url"].split("RUNBOOKS.md#")[1]
        for group in rules["groups"]
        for rule in group["rules"]
    }
    assert anchors == headings


def test_commands_in_runbooks_exist() -> None:
    commands = re.findall(r"`hairpin ([^`]+)`", PAGE)
    assert commands
    for text in commands:
        command: click.Command = cli
        context = click.Context(command)
        for word in shlex.split(text):
            if word.startswith("-"):
                options = {name for one in command.get_params(context) for name in one.opts}
                assert word in options, f"hairpin {text}"
            elif isinstance(command, click.Group):
                found = command.get_command(context, word)
                assert found is not None, f"hairpin {text}: no command {word}"
                command, context = found, click.Context(found, parent=context)

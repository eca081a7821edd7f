"""``hairpin validate``: checks a reward function before an hour is spent on it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from hairpin.options import examples, json_option

if TYPE_CHECKING:
    from hairpin.validation import Finding, Report


@click.command(
    epilog=examples(
        "hairpin validate reward.py",
        "hairpin validate reward.py --track bramble",
        "hairpin validate reward.py --json    errors as {type, message, line, column}",
    )
)
@click.argument("reward", metavar="REWARD")
@click.option(
    "--track", default="hairpin", show_default=True, help="The track to try it on, as for train."
)
@json_option("Print one JSON object; the exit code is 2 if there are errors.")
def validate(reward: str, track: str, as_json: bool) -> int:
    """Check the reward function in the file REWARD.

    It is read, and then called in its own process with hundreds of states of a real track: on and
    off the line and the road, at the start and the finish, in both directions, with and without
    objects. Errors keep a training from using it; warnings are what often is a mistake.
    """
    from hairpin.validation import validate as check

    report = check(reward, track)
    if as_json:
        click.echo(json.dumps(report.as_dict(), indent=2))
    else:
        _print(report)
    return 0 if report.valid else 2


def _print(report: Report) -> None:
    for word, colour, findings in (
        ("error", "red", report.errors),
        ("warning", "yellow", report.warnings),
    ):
        for finding in findings:
            _print_finding(report, finding, click.style(word, fg=colour, bold=True))
    counts = [
        f"{len(found)} {word}{'' if len(found) == 1 else 's'}"
        for word, found in (("error", report.errors), ("warning", report.warnings))
        if found
    ]
    verdict = "valid" if report.valid else "not valid"
    click.echo(f"{report.file}: {', '.join([verdict, *counts])}")
    if report.states:
        click.echo(f"  {_summary(report)}")
    if report.valid:
        click.echo(f"Next: hairpin reward show {report.file}, hairpin train --reward {report.file}")


def _print_finding(report: Report, finding: Finding, word: str) -> None:
    place = [report.file, *(str(n) for n in (finding.line, finding.column) if n is not None)]
    click.echo(f"{':'.join(place)}: {word}: {finding.message} [{finding.type}]")
    lines = report.source.splitlines()
    if finding.line is not None and 0 < finding.line <= len(lines):
        text = lines[finding.line - 1].expandtabs(1)
        number = f"{finding.line:5}"
        click.echo(f"{number} | {text}")
        if finding.column is not None:
            click.echo(f"{' ' * len(number)} | {' ' * (finding.column - 1)}^")
    if finding.fix:
        click.echo(f"    {finding.fix}")
    if finding.states:
        click.echo(f"    In {finding.states} of {report.states} states, first: {finding.example}")
    click.echo()


def _summary(report: Report) -> str:
    parts = [f"{report.states} states on the track {report.track}"]
    if report.rewards:
        mean = sum(report.rewards) / len(report.rewards)
        parts.append(
            f"rewards {min(report.rewards):.3g} to {max(report.rewards):.3g}, mean {mean:.3g}"
        )
        parts.append(f"{report.median_s * 1e6:.0f} us a call")
    return "; ".join(parts)

"""What a benchmark says: lines for people, or one JSON object for programs."""

from __future__ import annotations

from typing import Any

import click


class Output:
    """Says results for people, or one JSON object for programs and the rest on stderr."""

    def __init__(self, as_json: bool) -> None:
        self._as_json = as_json

    def __enter__(self) -> Output:
        from hairpin.quiet import claim_stdout

        # Whatever PyBullet, Ray or the peers print must not get between a reader and the result.
        self._out = claim_stdout()
        return self

    def __exit__(self, *_: object) -> None:
        self._out.flush()

    def result(self, result: Any) -> None:
        """Prints a result's numbers, for programs."""
        if self._as_json:
            import dataclasses
            import json

            numbers = dataclasses.asdict(result)
            click.echo(json.dumps(numbers, allow_nan=False), file=self._out)

    def line(self, text: str) -> None:
        """Prints a line, for people."""
        if not self._as_json:
            click.echo(text, file=self._out)

    def note(self, text: str) -> None:
        """Says how far it has come: on stdout for people, on stderr beside JSON."""
        click.echo(text, file=None if self._as_json else self._out, err=self._as_json)

    def rates(self, unit: str, rates: dict[str, float], ours: str) -> None:
        """Prints a table of rates, for people; the last column is ours to each."""
        width = max(map(len, rates))
        for name, rate in rates.items():
            self.line(f"{name:<{width}}  {rate:>9,.0f} {unit}  {rates[ours] / rate:>6.2f}")

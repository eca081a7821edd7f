"""A job as text: a file with all its values, each with its meaning and where it is from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import yaml

from hairpin.job import Job
from sim.settings import Settings

_YAML_END = "\n...\n"  # which YAML writes after a lone scalar


def describe_job(job: Job, sources: Mapping[str, str] | None = None) -> str:
    """The job as a YAML file that says all its values, each with a comment that explains it.

    Args:
        job: The job.
        sources: Where each value is from, as in `hairpin.job.LoadedJob`; said after the value.
    """
    return "\n".join(_describe(job, sources or {}, ())) + "\n"


def _describe(
    settings: Settings, sources: Mapping[str, str], before: tuple[str, ...]
) -> Iterator[str]:
    depth = len(before)
    indent = "  " * depth
    for name, info in type(settings).model_fields.items():
        if info.exclude:
            continue
        value = getattr(settings, name)
        if info.description:
            yield f"{indent}# {info.description}"
        if isinstance(value, Settings):
            yield f"{indent}{name}:"
            yield from _describe(value, sources, (*before, name))
        else:
            plain = list(value) if isinstance(value, tuple) else value
            text = yaml.safe_dump(plain, default_flow_style=True, allow_unicode=True, width=1000)
            source = sources.get(".".join((*before, name)))
            # A comment cannot hold what ends a line, and a path can.
            comment = f"  # {' '.join(source.split())}" if source else ""
            yield f"{indent}{name}: {text.removesuffix(_YAML_END).strip()}{comment}"

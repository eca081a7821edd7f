"""A job as deepracer-for-cloud's settings say it, and what became of each of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hairpin.deepracer.env_file import EnvValue

Way = tuple[str, ...]


@dataclass(frozen=True)
class Setting:
    """One value that was taken over or dropped.

    Attributes:
        key: Its name there.
        value: Its value there.
        where: File, line and key.
        way: The job's key, joined with dots; empty if it was dropped.
        reason: Why it was dropped, or what should be known.
    """

    key: str
    value: str
    where: str
    way: str = ""
    reason: str = ""


@dataclass
class DrfcJob:
    """What the settings say.

    Attributes:
        world: The track's name, if one is said.
        values: Values of a job, by the way to them.
        sources: Where each is from.
        settings: All settings, taken over and dropped, in the order of the file.
    """

    world: EnvValue | None = None
    values: dict[Way, Any] = field(default_factory=dict)
    sources: dict[Way, str] = field(default_factory=dict)
    settings: list[Setting] = field(default_factory=list)

    def take(self, key: str, value: EnvValue, way: str, converted: Any, note: str = "") -> None:
        """Takes a setting over.

        Args:
            key: Its name there.
            value: Its value there.
            way: The job's key, joined with dots.
            converted: The value there.
            note: What should be known.
        """
        path = tuple(way.split("."))
        self.values[path] = converted
        self.sources[path] = value.where
        self.settings.append(Setting(key, value.text, value.where, way, note))

    def drop(self, key: str, value: EnvValue, reason: str) -> None:
        """Notes why a setting is not taken over."""
        self.settings.append(Setting(key, value.text, value.where, "", reason))

"""What a job can say about live video."""

from __future__ import annotations

import os

from pydantic import Field, field_validator

from hairpin.streaming.address import FILE, parse_address
from sim.errors import UserError
from sim.settings import Settings

MAX_WORKER_STREAMS = 6
VARIABLE = "HAIRPIN_VIDEO"


class VideoSettings(Settings):
    """Live video: one stream of the greedy evaluations, and one for each of some workers."""

    to: str | None = Field(
        default=None,
        description="An RTSP server, rtsp://HOST[:PORT][/PREFIX], or file for .mp4 files in the "
        "run; default: $HAIRPIN_VIDEO, or no video. User and password come from "
        "$HAIRPIN_RTSP_USER and $HAIRPIN_RTSP_PASSWORD.",
    )
    workers: int = Field(
        default=1,
        ge=0,
        le=MAX_WORKER_STREAMS,
        description="Workers that are shown, each on a path of its own.",
    )
    width: int = Field(default=640, ge=320, le=1280, multiple_of=2, description="Pixels.")
    height: int = Field(default=480, ge=240, le=720, multiple_of=2, description="Pixels.")
    fps: int = Field(default=15, ge=5, le=30, description="Frames a second.")

    @property
    def target(self) -> str | None:
        """`to`, else what $HAIRPIN_VIDEO says; None for no video.

        Raises:
            UserError: That is neither an address nor file.
        """
        if self.to is not None:
            return self.to
        named = os.environ.get(VARIABLE) or None
        try:
            return self._understood(named)
        except ValueError as error:
            what, _, fix = str(error).partition(". ")
            raise UserError(what, where=f"${VARIABLE}", fix=fix) from None

    @field_validator("to")
    @classmethod
    def _understood(cls, to: str | None) -> str | None:
        if to is not None and to != FILE:
            parse_address(to)
        return to

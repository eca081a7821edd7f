"""What a job can say about live video."""

from __future__ import annotations

from pydantic import Field

from sim.settings import Settings

MAX_WORKER_STREAMS = 6


class VideoSettings(Settings):
    """Live video: one stream of the greedy evaluations, and one for each of some workers."""

    to: str | None = Field(
        default=None,
        description="An RTSP server, rtsp://HOST[:PORT][/PREFIX], or file for .mp4 files in the "
        "run; null: no video. User and password come from $HAIRPIN_RTSP_USER and "
        "$HAIRPIN_RTSP_PASSWORD.",
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

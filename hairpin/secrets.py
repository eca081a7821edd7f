"""Credentials in the environment: whoever needs them has read them before anything is started."""

from __future__ import annotations

import os
import re

_SECRET = re.compile(
    r"AWS_(ACCESS_KEY_ID|SECRET_ACCESS_KEY|SESSION_TOKEN)|MINIO_\w*(USER|PASSWORD|ACCESS_KEY|SECRET_KEY)"
    r"|HAIRPIN_RTSP_(USER|PASSWORD)"
)


def forget_secrets() -> None:
    """Removes store and video credentials from this process's environment.

    Ray hands its environment on to every process it starts, and none of them needs these. The
    store and the video streams read theirs when they are made.
    """
    for name in [name for name in os.environ if _SECRET.fullmatch(name)]:
        del os.environ[name]

"""MediaMTX: takes video streams from who makes them and hands them to who watches."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path

from servers.server import HOST, Server, write_private

PUBLISHER, READER = "publisher", "reader"


class Mediamtx(Server):
    """A MediaMTX server that speaks RTSP over TCP and nothing else.

    Args:
        folder: Where its configuration, log and pid are.
        rtsp_port: The port of its streams.
        metrics_port: The port of its metrics.
        password: Of the user `PUBLISHER`, who may publish and read every path.
        reader_password: Of the user `READER`, who may read every path.
    """

    title = "MediaMTX"
    program = "mediamtx"
    user = PUBLISHER
    reader_user = READER

    def __init__(
        self, folder: Path, rtsp_port: int, metrics_port: int, password: str, reader_password: str
    ) -> None:
        super().__init__(folder, {"rtsp": rtsp_port, "mediamtx-metrics": metrics_port})
        self.password = password
        self.reader_password = reader_password

    @property
    def url(self) -> str:
        """The address that paths of streams are under, without credentials."""
        return f"rtsp://{HOST}:{self.ports['rtsp']}"

    @property
    def metrics_address(self) -> str:
        """Host and port of its metrics."""
        return f"{HOST}:{self.ports['mediamtx-metrics']}"

    @property
    def address(self) -> str:
        return self.url

    @property
    def health_url(self) -> str:
        return f"http://{self.metrics_address}/metrics"

    def reader_url(self, path: str) -> str:
        """The address of a stream with the reader's credentials in it, as players want it."""
        return f"rtsp://{READER}:{self.reader_password}@{self.url[len('rtsp://') :]}/{path}"

    def write_config(self) -> None:
        config = {
            "logLevel": "info",
            "rtspTransports": ["tcp"],
            "rtspAddress": f"{HOST}:{self.ports['rtsp']}",
            "metrics": True,
            "metricsAddress": self.metrics_address,
            **dict.fromkeys(("rtmp", "hls", "webrtc", "srt", "moq"), False),
            "authInternalUsers": [
                _user(PUBLISHER, self.password, "publish", "read"),
                _user(READER, self.reader_password, "read"),
                {"user": "any", "permissions": [{"action": "metrics"}]},
            ],
            "paths": {"all_others": {}},
        }
        # Its configuration is YAML, of which JSON is a part.
        write_private(self.folder / "mediamtx.yml", json.dumps(config, indent=2))

    def arguments(self) -> list[str]:
        return [str(self.folder / "mediamtx.yml")]

    def env(self) -> dict[str, str]:
        """What a publisher has in its environment."""
        return {"HAIRPIN_RTSP_USER": self.user, "HAIRPIN_RTSP_PASSWORD": self.password}


def _user(name: str, password: str, *actions: str) -> dict[str, object]:
    """A user of MediaMTX, whose password stands in the file as its SHA-256."""
    digest = base64.b64encode(hashlib.sha256(password.encode()).digest()).decode()
    permissions = [{"action": action} for action in actions]
    return {"user": name, "pass": f"sha256:{digest}", "permissions": permissions}

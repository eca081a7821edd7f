"""Prometheus: reads metrics, keeps them, and watches them with alert rules."""

from __future__ import annotations

import json
import shutil
import signal
import time
import urllib.parse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from servers.errors import ServerError
from servers.server import HOST, POLL_S, Server, get, get_json

RELOADED = "prometheus_config_last_reload_success_timestamp_seconds"
RELOAD_GOOD = "prometheus_config_last_reload_successful"


@dataclass(frozen=True)
class Scrape:
    """Something that has metrics.

    Attributes:
        job: Its name; the label ``job``.
        targets: Hosts with ports.
        path: Where its metrics are.
        files: Files that name further targets, in the form that Prometheus calls file_sd.
    """

    job: str
    targets: tuple[str, ...] = ()
    path: str = "/metrics"
    files: tuple[str, ...] = ()


class Prometheus(Server):
    """A Prometheus server.

    Args:
        folder: Where its configuration, data, log and pid are.
        port: The port of its interface.
        scrapes: What it reads beside its own metrics.
        rules: Files of recording and alert rules; they are copied when it starts and reloads.
        interval_s: Seconds between two readings, and between two looks at the rules.
    """

    title = "Prometheus"
    program = "prometheus"

    def __init__(
        self,
        folder: Path,
        port: int,
        scrapes: Sequence[Scrape],
        rules: Sequence[Path] = (),
        interval_s: float = 5.0,
    ) -> None:
        super().__init__(folder, {"prometheus": port})
        self.scrapes = list(scrapes)
        self.rules = list(rules)
        self.interval_s = interval_s

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://{HOST}:{self.ports['prometheus']}"

    @property
    def address(self) -> str:
        return self.url

    @property
    def health_url(self) -> str:
        return f"{self.url}/-/ready"

    def write_config(self) -> None:
        copies = self.folder / "rules"
        shutil.rmtree(copies, ignore_errors=True)
        copies.mkdir()
        for path in self.rules:
            shutil.copyfile(path, copies / path.name)
        interval = f"{round(1000 * self.interval_s)}ms"
        itself = Scrape("prometheus", (f"{HOST}:{self.ports['prometheus']}",))
        config = {
            "global": {
                "scrape_interval": interval,
                "scrape_timeout": interval,
                "evaluation_interval": interval,
            },
            "rule_files": [str(copies / "*")],
            "scrape_configs": [_scrape_config(scrape) for scrape in (*self.scrapes, itself)],
        }
        # Its configuration is YAML, of which JSON is a part.
        text = json.dumps(config, indent=2)
        (self.folder / "prometheus.yml").write_text(text, encoding="utf-8")

    def arguments(self) -> list[str]:
        return [
            f"--config.file={self.folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={self.folder / 'data'}",
            "--storage.tsdb.retention.time=30d",
            "--storage.tsdb.retention.size=2GB",
            f"--web.listen-address={HOST}:{self.ports['prometheus']}",
        ]

    def query(self, expression: str, at: float | None = None) -> list[dict[str, Any]]:
        """The samples of an expression: dictionaries with ``metric`` (labels) and ``value``.

        Args:
            expression: PromQL that gives an instant vector or a scalar.
            at: The moment, in Unix seconds; None: now.

        Raises:
            ServerError: The expression is wrong; the text is Prometheus' own.
        """
        asked = {"query": expression} | ({} if at is None else {"time": repr(at)})
        try:
            answer = get_json(f"{self.url}/api/v1/query?{urllib.parse.urlencode(asked)}")
        except OSError as error:
            reason = error.read().decode() if hasattr(error, "read") else str(error)
            raise ServerError(f"{expression}: {reason}") from None
        data = answer["data"]
        if data["resultType"] == "scalar":
            return [{"metric": {}, "value": data["result"]}]
        return list(data["result"])

    def alerts(self) -> list[dict[str, Any]]:
        """The alerts that are pending or firing: ``labels``, ``annotations``, ``state``."""
        return list(get_json(f"{self.url}/api/v1/alerts")["data"]["alerts"])

    def targets(self) -> list[dict[str, Any]]:
        """What it reads: ``labels``, ``health`` ("up", "down", "unknown"), ``lastError``."""
        return list(get_json(f"{self.url}/api/v1/targets?state=active")["data"]["activeTargets"])

    def reload(self, timeout_s: float = 10.0) -> None:
        """Reads scrapes and rules anew.

        Raises:
            ServerError: It refuses them; it goes on with the old ones.
        """
        before = self._own_metric(RELOADED)
        self.write_config()
        self._signal(signal.SIGHUP)
        deadline = time.monotonic() + timeout_s
        while self._own_metric(RELOADED) == before:
            if self._own_metric(RELOAD_GOOD) == 0 or time.monotonic() > deadline:
                raise ServerError(f"{self.title} did not reload: {self._end_of_log()}")
            time.sleep(POLL_S)

    def _own_metric(self, name: str) -> float:
        for line in get(f"{self.url}/metrics").decode().splitlines():
            if line.startswith(f"{name} "):
                return float(line.split()[1])
        raise ServerError(f"{self.title} has no metric {name}")


def _scrape_config(scrape: Scrape) -> dict[str, object]:
    config: dict[str, object] = {"job_name": scrape.job, "metrics_path": scrape.path}
    if scrape.targets:
        config["static_configs"] = [{"targets": list(scrape.targets)}]
    if scrape.files:
        config["file_sd_configs"] = [{"files": list(scrape.files)}]
    return config

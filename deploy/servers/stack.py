"""The servers of a laptop: which there are, how they know each other, and starting them all."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from servers import binaries
from servers.mediamtx import Mediamtx
from servers.minio import BUCKET, Minio
from servers.prometheus import Prometheus, Scrape
from servers.server import HOST, Server
from servers.state import Credentials, Settings

PROGRAMS = (Minio.program, Mediamtx.program, Prometheus.program, "promtool")
REPOSITORY = Path(__file__).resolve().parents[2]
RULES = REPOSITORY / "dashboards" / "alerts"
STORAGE = f"s3://{BUCKET}/runs"
RAY_NODES = (
    "/tmp/ray/prom_metrics_service_discovery.json"  # a Ray that runs here keeps it up to date
)


def servers(folder: Path, settings: Settings, credentials: Credentials) -> list[Server]:
    """The servers, in the order in which people read of them.

    Args:
        folder: Each has a folder of its own in it.
        settings: Their ports, and those of trainings.
        credentials: What they ask of their users.
    """
    ports = settings.ports
    minio = Minio(
        folder / "minio", ports["minio"], credentials.s3_access_key, credentials.s3_secret_key
    )
    mediamtx = Mediamtx(
        folder / "mediamtx",
        ports["rtsp"],
        ports["mediamtx-metrics"],
        credentials.rtsp_password,
        credentials.rtsp_reader_password,
    )
    scrapes = (
        Scrape("hairpin", (f"{HOST}:{settings.metrics_port}",)),
        Scrape("minio", (f"{HOST}:{ports['minio']}",), Minio.METRICS_PATH),
        Scrape("mediamtx", (mediamtx.metrics_address,)),
        Scrape("ray", files=(RAY_NODES,)),
    )
    rules = sorted(RULES.glob("*.rules.yml"))
    prometheus = Prometheus(folder / "prometheus", ports["prometheus"], scrapes, rules)
    return [minio, mediamtx, prometheus]


def start(stack: Sequence[Server]) -> None:
    """Starts those that do not run, and returns when all can be used; on trouble, none is left new.

    Raises:
        ServerError: One cannot be had, or does not start.
    """
    for server in stack:
        binaries.program(server.program)
    new = [server for server in stack if not server.running]
    try:
        for server in new:
            server.launch()
        for server in stack:
            server.wait()
    except BaseException:
        for server in new:
            server.kill()
        raise


def exports(settings: Settings, credentials: Credentials) -> dict[str, str]:
    """What a training that uses the servers has in its environment."""
    return {
        "HAIRPIN_STORAGE": STORAGE,
        "HAIRPIN_S3_ENDPOINT": f"http://{HOST}:{settings.ports['minio']}",
        "AWS_ACCESS_KEY_ID": credentials.s3_access_key,
        "AWS_SECRET_ACCESS_KEY": credentials.s3_secret_key,
        "HAIRPIN_VIDEO": f"rtsp://{HOST}:{settings.ports['rtsp']}",
        "HAIRPIN_RTSP_USER": Mediamtx.user,
        "HAIRPIN_RTSP_PASSWORD": credentials.rtsp_password,
        "HAIRPIN_METRICS_PORT": str(settings.metrics_port),
    }

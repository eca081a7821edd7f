"""MinIO: an S3 store."""

from __future__ import annotations

from pathlib import Path

from servers.s3 import make_bucket
from servers.server import HOST, Server, write_private

BUCKET = "hairpin"


class Minio(Server):
    """A MinIO server with one bucket, `BUCKET`.

    Args:
        folder: Where its configuration, data, log and pid are.
        port: The port of its S3 interface and of its metrics.
        access_key: The access key of its only user.
        secret_key: That user's secret key; at least eight characters.
    """

    title = "MinIO"
    program = "minio"

    METRICS_PATH = "/minio/v2/metrics/cluster"

    def __init__(self, folder: Path, port: int, access_key: str, secret_key: str) -> None:
        super().__init__(folder, {"minio": port})
        self.data = folder / "data"
        self.access_key = access_key
        self.secret_key = secret_key

    @property
    def endpoint(self) -> str:
        """The address for S3 clients."""
        return f"http://{HOST}:{self.ports['minio']}"

    @property
    def address(self) -> str:
        return self.endpoint

    @property
    def health_url(self) -> str:
        return f"{self.endpoint}/minio/health/cluster"

    def write_config(self) -> None:
        self.data.mkdir(exist_ok=True)
        lines = (
            f"MINIO_ROOT_USER={self.access_key}",
            f"MINIO_ROOT_PASSWORD={self.secret_key}",
            "MINIO_BROWSER=off",
            "MINIO_UPDATE=off",  # it asks its maker for news otherwise
            "MINIO_PROMETHEUS_AUTH_TYPE=public",  # of loopback
        )
        write_private(self.folder / "minio.env", "".join(f"{line}\n" for line in lines))

    def arguments(self) -> list[str]:
        address = f"{HOST}:{self.ports['minio']}"
        # Without a folder of its own it would serve TLS with certificates of the user's.
        certificates = ["--certs-dir", str(self.folder / "certs")]
        return ["server", "--anonymous", "--address", address, *certificates, str(self.data)]

    def environment(self) -> dict[str, str]:
        return {"MINIO_CONFIG_ENV_FILE": str(self.folder / "minio.env")}

    def complete(self) -> None:
        make_bucket(self.endpoint, self.access_key, self.secret_key, BUCKET)

    def env(self) -> dict[str, str]:
        """What a client of this store has in its environment."""
        return {
            "HAIRPIN_S3_ENDPOINT": self.endpoint,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
        }

"""``deploy/compose.yaml`` runs the very servers that run without Docker, and Grafana."""

from __future__ import annotations

import json
import re
import stat
from pathlib import Path
from typing import Any

import pytest
import yaml

from servers.docker import COMPOSE_FILE, Containers
from servers.server import HOST
from servers.sources import MEDIAMTX, MINIO, PROMETHEUS
from servers.stack import REPOSITORY, servers
from servers.state import Credentials, Settings

CREDENTIALS = Credentials("s3-user", "s3-secret", "rtsp-secret", "reader-secret", "grafana-secret")
VARIABLE = re.compile(r"\$\{(\w+)(?::\?[^}]*)?\}")
PROVISIONING = COMPOSE_FILE.parent / "grafana" / "provisioning"


@pytest.fixture
def containers(tmp_path: Path) -> Containers:
    """The containers, with their configuration written."""
    settings = Settings(docker=True)
    made = Containers(tmp_path, settings, servers(tmp_path, settings, CREDENTIALS))
    made.write_config(CREDENTIALS)
    return made


@pytest.fixture
def services(containers: Containers) -> dict[str, dict[str, Any]]:
    """The services of the file, as Compose sees them."""
    values = containers.variables()
    text = COMPOSE_FILE.read_text(encoding="utf-8")
    assert {found[1] for found in VARIABLE.finditer(text)} <= set(values)
    return dict(yaml.safe_load(VARIABLE.sub(lambda found: values[found[1]], text))["services"])


def test_images_are_the_releases_that_are_built(services: dict[str, dict[str, Any]]) -> None:
    tags = {name: service["image"].rpartition(":")[2] for name, service in services.items()}
    assert tags.pop("grafana")[0].isdigit()
    assert tags == {
        "minio": MINIO.release,
        "mediamtx": MEDIAMTX.release,
        "prometheus": f"v{PROMETHEUS.release}",
    }


def test_commands_are_those_of_the_programs(
    services: dict[str, dict[str, Any]], containers: Containers
) -> None:
    for server in containers.stack:
        service = services[server.program]
        assert service["command"] == server.arguments()
        assert service.get("environment", {}) == server.environment()


def provisioned(name: str) -> dict[str, Any]:
    return dict(yaml.safe_load((PROVISIONING / name).read_text(encoding="utf-8")))


def mounts(service: dict[str, Any]) -> list[tuple[str, str, bool]]:
    """Source, target and whether it is read-only, of each volume."""
    found = []
    for volume in service["volumes"]:
        if isinstance(volume, dict):
            found.append((volume["source"], volume["target"], volume["read_only"]))
        else:
            source, target, *mode = volume.split(":")
            found.append((source, target, mode == ["ro"]))
    return found


def test_containers_have_no_rights_and_write_to_their_own_folder_only(
    services: dict[str, dict[str, Any]], containers: Containers
) -> None:
    for name, service in services.items():
        assert service["network_mode"] == "host"
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        own = str(containers.folder / name)
        assert own in [source for source, _, _ in mounts(service)]
        for source, target, read_only in mounts(service):
            assert (COMPOSE_FILE.parent / source).exists(), source
            assert read_only or source == target == own


def test_secrets_are_in_private_files_only(
    services: dict[str, dict[str, Any]], containers: Containers
) -> None:
    secrets = vars(CREDENTIALS).values()
    public = json.dumps(services) + json.dumps(containers.variables())
    assert not any(secret in public for secret in secrets)
    holders = [
        path
        for path in containers.folder.rglob("*")
        if path.is_file() and any(secret in path.read_text("utf-8") for secret in secrets)
    ]
    assert {path.name for path in holders} == {"minio.env", "password"}
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in holders)


def test_grafana_reads_our_prometheus_and_shows_our_dashboards(
    services: dict[str, dict[str, Any]],
) -> None:
    grafana = services["grafana"]
    assert grafana["environment"]["GF_SERVER_HTTP_ADDR"] == HOST
    (source,) = provisioned("datasources/prometheus.yaml")["datasources"]
    assert (source["uid"], source["type"]) == ("prometheus", "prometheus")
    assert source["url"].removeprefix("$") in grafana["environment"]
    (provider,) = provisioned("dashboards/hairpin.yaml")["providers"]
    folders = {target: source for source, target, _ in mounts(grafana)}
    dashboards = COMPOSE_FILE.parent / folders[provider["options"]["path"]]
    assert dashboards.resolve() == REPOSITORY / "dashboards" / "grafana"
    home = Path(grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert (dashboards / home.name).is_file()

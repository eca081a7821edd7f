"""The chart on a real cluster: everything is there, and only who has the token is let in."""

from __future__ import annotations

import urllib.error
import urllib.request

import pytest

from .release import DIRECT, Release

pytestmark = pytest.mark.slow

WRONG = "0" * 64


def test_everything_is_ready(installed: Release) -> None:
    for component in ("head", "minio", "mediamtx", "prometheus", "gate"):
        (pod,) = installed.pods(component)
        conditions = {each["type"]: each["status"] for each in pod["status"]["conditions"]}
        assert conditions["Ready"] == "True", component


def test_helm_test_passes(installed: Release) -> None:
    said = installed.helm("test", installed.name, "--logs")
    for answer in (
        "ray: Ray 2.60.0 asks for the token and takes it",
        "store: s3://hairpin can be written",
        "video: rtsp://hairpin-mediamtx:8554 lets the publisher in",
        "prometheus: Prometheus reads mediamtx, minio, prometheus, ray, ray-head",
        "gate: the workshop's gate asks for a participant's password",
    ):
        assert answer in said, said


@pytest.mark.parametrize("token", [None, WRONG, ""], ids=["none", "wrong", "empty"])
@pytest.mark.parametrize("path", ["/api/version", "/api/jobs/", "/nodes?view=summary"])
def test_who_lacks_the_token_is_refused(installed: Release, path: str, token: str | None) -> None:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    request = urllib.request.Request(installed.ray_address + path, headers=headers)
    with pytest.raises(urllib.error.HTTPError) as refused:
        DIRECT.open(request, timeout=20)
    assert refused.value.code in (401, 403)


def test_who_has_the_token_is_let_in(installed: Release) -> None:
    headers = {"Authorization": f"Bearer {installed.token}"}
    request = urllib.request.Request(f"{installed.ray_address}/api/jobs/", headers=headers)
    with DIRECT.open(request, timeout=20) as answer:
        assert answer.status == 200

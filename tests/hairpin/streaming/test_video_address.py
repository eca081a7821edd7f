"""Addresses of video servers, and that no password in one is ever repeated."""

from __future__ import annotations

import pytest

from hairpin.job import validate_job
from hairpin.streaming.address import Address, Credentials, parse_address
from hairpin.streaming.check import check_video
from hairpin.streaming.settings import VideoSettings
from sim.errors import UserError


@pytest.mark.parametrize(
    ("text", "address", "path"),
    [
        ("rtsp://cam.example", Address("cam.example", 8554, ""), "/monday/eval"),
        ("rtsp://10.0.0.1:554/team/a/", Address("10.0.0.1", 554, "team/a"), "/team/a/monday/eval"),
        ("rtsp://[::1]:99", Address("::1", 99, ""), "/monday/eval"),
    ],
)
def test_an_address_is_read(text: str, address: Address, path: str) -> None:
    assert parse_address(text) == address
    assert address.path("monday", "eval") == path
    assert parse_address(str(address)) == address


@pytest.mark.parametrize(
    "text",
    [
        "http://cam",
        "rtsp://",
        "cam:8554",
        "",
        "rtsp://cam:port",
        "rtsp://cam/a?b=1",
        "rtsp://c/a b",
    ],
)
def test_what_is_no_address_is_refused_with_what_would_be(text: str) -> None:
    with pytest.raises(ValueError, match=r"rtsp://HOST\[:PORT\]\[/PREFIX\]"):
        parse_address(text)


def test_a_password_in_an_address_is_refused_and_not_repeated() -> None:
    with pytest.raises(UserError) as caught:
        validate_job({"video": {"to": "rtsp://me:geheim@cam/"}}, lambda way: "job.yaml")
    assert "geheim" not in str(caught.value) and "me:" not in str(caught.value)
    assert "HAIRPIN_RTSP_PASSWORD" in str(caught.value) and "job.yaml" in str(caught.value)


def test_credentials_do_not_show() -> None:
    assert "geheim" not in repr(Credentials("me", "geheim"))


def test_the_environment_names_a_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HAIRPIN_VIDEO", "rtsp://cam:1")
    assert VideoSettings().target == "rtsp://cam:1"
    assert VideoSettings(to="file").target == "file"
    monkeypatch.setenv("HAIRPIN_VIDEO", "cam:1")
    with pytest.raises(UserError, match=r"\$HAIRPIN_VIDEO: .*rtsp://HOST"):
        check_video(VideoSettings(), "monday")
    monkeypatch.delenv("HAIRPIN_VIDEO")
    assert VideoSettings().target is None

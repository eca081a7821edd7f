"""Whether metrics can be served where the job wants them."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler

import pytest

from hairpin.job import Job
from hairpin.monitoring.listener import Listener
from hairpin.monitoring.place import check_metrics, metrics_place
from sim.errors import UserError


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


@pytest.fixture(params=[False, True])
def endpoint(request, port: int) -> Iterator[bool]:
    """An endpoint that is there already; whether it serves a shared Ray cluster."""
    listener = Listener(
        "127.0.0.1", port, lambda accept: (b"", "text/plain"), lambda: {"shared": request.param}
    )
    assert listener.problem == ""
    yield request.param
    listener.close()


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HAIRPIN_METRICS_PORT", "HAIRPIN_METRICS_HOST", "RAY_ADDRESS"):
        monkeypatch.delenv(name, raising=False)


def test_job_and_environment_say_the_port(monkeypatch: pytest.MonkeyPatch) -> None:
    assert metrics_place(Job()) is None
    monkeypatch.setenv("HAIRPIN_METRICS_PORT", "9401")
    found = metrics_place(Job())
    assert found is not None and found.url == "http://127.0.0.1:9401/metrics"
    found = metrics_place(Job(metrics_port=9400))
    assert found is not None and found.port == 9400
    monkeypatch.setenv("HAIRPIN_METRICS_PORT", "many")
    with pytest.raises(UserError, match=r"\$HAIRPIN_METRICS_PORT: 'many' is not a port"):
        metrics_place(Job())


def test_a_laptop_listens_to_itself_and_a_cluster_to_all(monkeypatch: pytest.MonkeyPatch) -> None:
    laptop, cluster = Job(metrics_port=9400), Job(metrics_port=9400, address="10.0.0.7:6379")
    assert metrics_place(laptop).host == "127.0.0.1"
    assert metrics_place(cluster).host == "0.0.0.0"
    assert metrics_place(cluster).url == "http://10.0.0.7:9400/metrics"
    monkeypatch.setenv("HAIRPIN_METRICS_HOST", "::1")
    assert metrics_place(laptop).url == "http://[::1]:9400/metrics"
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.8:6379")
    monkeypatch.setenv("HAIRPIN_METRICS_HOST", "0.0.0.0")
    assert metrics_place(laptop).url == "http://10.0.0.8:9400/metrics"


def test_a_free_port_is_fine(port: int) -> None:
    check_metrics(Job(metrics_port=port))
    check_metrics(Job(metrics_port=port))  # it was not kept


def test_another_programs_port_is_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(UserError, match=f"port {port} is taken by another program"):
            check_metrics(Job(metrics_port=port))


def test_another_web_server_on_a_clusters_port_is_refused(port: int) -> None:
    import threading

    from hairpin.monitoring.listener import make_server

    with make_server(("127.0.0.1", port), BaseHTTPRequestHandler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with pytest.raises(UserError, match="another program"):
            check_metrics(Job(metrics_port=port, address="127.0.0.1:6379"))
        server.shutdown()


def test_trainings_on_one_cluster_share_a_port_and_laptops_do_not(
    endpoint: bool, port: int
) -> None:
    with pytest.raises(UserError, match="another training, which has a Ray of its own"):
        check_metrics(Job(metrics_port=port))
    on_cluster = Job(metrics_port=port, address="127.0.0.1:6379")
    if endpoint:
        check_metrics(on_cluster)
    else:
        with pytest.raises(UserError, match="another training"):
            check_metrics(on_cluster)


def test_an_address_of_another_machine_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HAIRPIN_METRICS_HOST", "192.0.2.1")
    with pytest.raises(UserError, match=r"cannot listen on 192.0.2.1.*HAIRPIN_METRICS_HOST"):
        check_metrics(Job(metrics_port=9400))

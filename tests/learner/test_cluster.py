"""Connecting to Ray."""

from __future__ import annotations

import pytest
import ray

from learner.cluster import Cluster


@pytest.mark.usefixtures("local_ray")
def test_a_ray_that_runs_in_this_process_is_used_and_left_alone() -> None:
    cluster = Cluster(None, cpus=1, batch_bytes=0)
    cluster.start()
    cluster.wait()
    cluster.stop()
    assert ray.is_initialized()


def test_the_environment_names_the_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "head:6379")
    assert Cluster(None, cpus=1, batch_bytes=0).address == "head:6379"
    assert Cluster("other:1", cpus=1, batch_bytes=0).address == "other:1"
    monkeypatch.delenv("RAY_ADDRESS")
    assert Cluster(None, cpus=1, batch_bytes=0).address is None

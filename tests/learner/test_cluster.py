"""Connecting to Ray."""

from __future__ import annotations

import logging

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


def test_a_cluster_that_has_to_grow_first_is_told_of(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("learner"), "propagate", True)
    cluster = Cluster("head:6379", cpus=3, batch_bytes=0)
    cluster._tell_of_growth(3.0)
    assert not caplog.messages
    cluster._tell_of_growth(0.0)
    said = "the cluster has 0 CPUs and 3 are wanted: waiting until it has grown"
    assert set(caplog.messages) == {said}


def test_the_environment_names_the_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "head:6379")
    assert Cluster(None, cpus=1, batch_bytes=0).address == "head:6379"
    assert Cluster("other:1", cpus=1, batch_bytes=0).address == "other:1"
    monkeypatch.delenv("RAY_ADDRESS")
    assert Cluster(None, cpus=1, batch_bytes=0).address is None

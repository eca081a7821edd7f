"""A cluster leaves nothing on the machine, whichever way it ends, and starts again after that."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rig import cgroups
from rig.cluster import Cluster, free
from rig.node import MACHINE_WIDE
from servers.errors import ServerError

from .conftest import Kubernetes

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
COMMAND = ROOT / "deploy" / "cluster"
TIED = """
import sys
from rig.cluster import Cluster
Cluster(int(sys.argv[1])).up(tied=True)
print("up", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def machine() -> Iterator[Cluster]:
    """A cluster that is not up, and is not when the test ends."""
    if "HAIRPIN_TEST_KUBECONFIG" in os.environ:
        pytest.skip("the cluster is that of $HAIRPIN_TEST_KUBECONFIG, not one of this machine")
    cluster = free()
    yield cluster
    cluster.down()


def traces(cluster: Cluster) -> list[str]:
    """What is there of a cluster: processes, mounts, addresses, control groups, files."""
    site = cluster.site
    found = [f"process {pid}" for pid in pids(str(site.folder))]
    mounts = Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()
    found += [f"mount {line}" for line in mounts if site.name in line]
    for listing in (["ip", "link"], ["ip", "route"]):
        shown = subprocess.run(listing, capture_output=True, text=True, check=True).stdout
        if site.link in shown or site.pods in shown:
            found.append(" ".join(listing))
    found += [f"control group {path}" for path in cgroups.found(site.name)]
    found += [f"file {path}" for path in site.folder.glob("*") if path != site.logs]
    return found


def pids(mark: str) -> list[int]:
    """Processes, whatever namespace they are in, with a text in their arguments."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            arguments = path.read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        if mark in arguments:
            found.append(int(path.parent.name))
    return found


def machine_wide() -> dict[str, str]:
    paths = [Path("/proc/sys", name) for name in MACHINE_WIDE]
    return {str(path): path.read_text() for path in paths if path.exists()}


def command(cluster: Cluster, *arguments: str) -> subprocess.CompletedProcess[str]:
    verb, *rest = arguments
    number = f"--number={cluster.site.number}"
    return subprocess.run(
        [sys.executable, str(COMMAND), verb, number, *rest],
        capture_output=True,
        text=True,
        check=False,
    )


def wait_until(true: Callable[[], bool], timeout_s: float = 60.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.1)


def test_up_status_and_down_by_the_command(machine: Cluster, cluster: Kubernetes) -> None:
    before = machine_wide()
    down = command(machine, "status")
    assert down.returncode == 3 and "is not up" in down.stdout

    up = command(machine, "up")
    assert up.returncode == 0, up.stderr
    assert str(machine.site.kubeconfig) in up.stdout
    assert "process" in str(traces(machine))  # or the test looks for the wrong ones

    asked = command(machine, "status", "--json")
    found = json.loads(asked.stdout)
    assert asked.returncode == 0 and found["ready"]
    assert found["nodes"] == {machine.site.name: True}
    assert all(program["pid"] for program in found["programs"].values())
    assert sum("coredns" in name for name in found["pods"]) == 1
    assert command(machine, "exec", "hostname").returncode == 0

    again = command(machine, "up")
    assert again.returncode == 2 and "is up already" in again.stderr

    # A program that ends is started again.
    old = found["programs"]["kube-scheduler"]["pid"]
    subprocess.run(machine.inside("kill", "-9", str(old)), check=True)

    def restarted() -> bool:
        scheduler = machine.status()["programs"]["kube-scheduler"]
        return scheduler["restarts"] == 1 and scheduler["pid"] not in (None, old)

    wait_until(restarted)
    assert "started again 1 times" in command(machine, "status").stdout

    assert command(machine, "down").stdout == "ended\n"
    assert traces(machine) == []
    assert machine_wide() == before
    assert command(machine, "down").stdout == "it was not up\n"
    if cluster.machine:  # another one, which has what it had
        subprocess.run(cluster.machine.inside("mountpoint", "/var/lib/kubelet"), check=True)


def test_it_ends_with_the_process_that_it_is_tied_to_and_starts_again(machine: Cluster) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "deploy")}
    arguments = [sys.executable, "-c", TIED, str(machine.site.number)]
    owner = subprocess.Popen(
        arguments, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert owner.stdout is not None
    assert owner.stdout.readline() == "up\n"
    assert machine.running
    owner.send_signal(signal.SIGKILL)
    owner.communicate()
    wait_until(lambda: not machine.running)
    assert pids(str(machine.site.folder)) == []
    assert cgroups.found(machine.site.name) != []  # nobody has cleared it

    machine.up()
    assert machine.status()["ready"]
    machine.kill()  # as if the node had crashed
    wait_until(lambda: not machine.running)
    machine.down()
    assert traces(machine) == []


def test_a_machine_that_cannot_watch_files_is_told_before_anything_starts(machine: Cluster) -> None:
    up = f"ulimit -n 24; exec {sys.executable} {COMMAND} up --number {machine.site.number}"
    ran = subprocess.run(["bash", "-c", up], capture_output=True, text=True, check=False)
    assert ran.returncode == 2 and ran.stderr.count("\n") == 1
    assert "Allow more: sysctl fs.inotify.max_user_instances=1024" in ran.stderr


def test_what_needs_a_cluster_says_so(machine: Cluster, tmp_path: Path) -> None:
    for arguments in (["exec", "-l", "true"], ["exec", "--", "ls"], ["load", str(COMMAND)]):
        asked = command(machine, *arguments)
        assert asked.returncode == 2
        assert "is not up. Start it: deploy/cluster up" in asked.stderr
    absent = command(machine, "load", str(tmp_path / "absent.tar"))
    assert absent.returncode == 2 and "there is no image archive" in absent.stderr
    with pytest.raises(ServerError, match="there is no cluster 99"):
        Cluster(99)

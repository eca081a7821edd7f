"""The command ``deploy/cluster``."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rig import building, images, linking, packages, programs, scale
from rig.cluster import Cluster
from rig.fleet import MOST
from rig.site import cache
from servers import binaries
from servers.command import NOT_UP, exit_code, parser
from servers.errors import ServerError
from servers.sources import CHART_TOOLS

PASSING_ON = ("exec", "kubectl")

DESCRIPTION = """\
A real Kubernetes of one node on this machine, with the KubeRay operator, in namespaces of its own.
Its programs are built from source, once. Pods reach each other and nothing else; there is no
registry, so images are loaded from files."""

EXAMPLES = """\
examples:
  deploy/cluster up
  export KUBECONFIG=$(deploy/cluster kubeconfig)
  deploy/cluster kubectl get pods -A
  deploy/cluster load image.tar         an OCI or Docker archive, as buildah and docker save it
  deploy/cluster images && helm install hairpin helm/hairpin --set grafana.enabled=false
  deploy/cluster exec ctr -n k8s.io images list
  deploy/cluster status --json
  deploy/cluster scale --workers 32 256
  deploy/cluster down"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit code: 0 done, 2 mend it and try again, 3 not up."""
    options = _parser().parse_args(_apart(sys.argv[1:] if arguments is None else arguments))
    return exit_code(lambda: int(options.run(Cluster(options.number), options)))


def up(cluster: Cluster, options: argparse.Namespace) -> int:
    """Starts the cluster from nothing."""
    cluster.up()
    for archive in options.load:
        cluster.load(archive)
    print(f"To use it:  export KUBECONFIG={cluster.site.kubeconfig}")
    return 0


def down(cluster: Cluster, options: argparse.Namespace) -> int:
    """Ends the cluster and removes everything of it but its logs."""
    print("ended" if cluster.down() else "it was not up")
    return 0


def status(cluster: Cluster, options: argparse.Namespace) -> int:
    """Says what runs."""
    found = cluster.status()
    if options.json:
        print(json.dumps(found, indent=2))
    else:
        _print(found)
    return 0 if found.get("ready") else NOT_UP


def load(cluster: Cluster, options: argparse.Namespace) -> int:
    """Makes images available to pods."""
    for archive in options.archives:
        cluster.load(archive)
    return 0


def load_all(cluster: Cluster, options: argparse.Namespace) -> int:
    """Builds the images that the chart needs, if they are not there, and loads them.

    They have the chart's default names. There is none of Grafana, which Go alone does not build.
    """
    archives = images.of_the_servers()
    if options.build_only:
        with building.built():
            pass
    else:
        linking.load_hairpin(cluster)
        for archive in archives:
            cluster.load(archive)
    for name in (building.IMAGE, *images.SERVER_IMAGES.values()):
        print(name)
    return 0


def base(cluster: Cluster, options: argparse.Namespace) -> int:
    """Makes the image that others can be built from, if it is not there, and prints where it is."""
    print(images.base())
    return 0


def kubeconfig(cluster: Cluster, options: argparse.Namespace) -> int:
    """Prints where the administrator's configuration is."""
    print(cluster.site.kubeconfig)
    return 0


def kubectl(cluster: Cluster, options: argparse.Namespace) -> int:
    """Becomes kubectl, as the cluster's administrator."""
    command = [cluster.client.kubectl_path, *options.arguments]
    return subprocess.run(command, env=cluster.client.environment, check=False).returncode


def execute(cluster: Cluster, options: argparse.Namespace) -> int:
    """Runs a command on the node."""
    return subprocess.run(cluster.inside(*options.arguments), check=False).returncode


def build(cluster: Cluster, options: argparse.Namespace) -> int:
    """Gets what it needs, if this user has not got it, and prints where it is.

    Programs of the distribution (by apt, as root), of Kubernetes and of Helm, and images.
    """
    packages.install()
    print(programs.kubernetes())
    print(programs.kuberay())
    for tool in CHART_TOOLS:
        print(binaries.built(tool))
    for archive in [*images.of_the_node(), *([] if os.geteuid() else [images.base()])]:
        print(archive)
    binaries.clean((programs.KUBERNETES, programs.KUBERAY), cache())
    binaries.clean(CHART_TOOLS)
    images.clean()
    return 0


def measure_scale(cluster: Cluster, options: argparse.Namespace) -> int:
    """Measures the chart with many workers, on simulated nodes; starts a cluster if none is up."""
    sizes = sorted(set(options.workers))
    if sizes[0] < 1 or sizes[-1] > MOST:
        raise ServerError(f"--workers are 1 to {MOST}; these are {sizes[0]} to {sizes[-1]}")
    rows, lost_s = scale.measure(cluster, sizes)
    if options.json:
        print(json.dumps({"rows": [asdict(row) for row in rows], "node_lost_s": lost_s}))
    else:
        print(scale.markdown(rows), end="")
        back = f"all {sizes[-1]} workers are ready again after {lost_s:.0f} s"
        print(f"\nA spot node vanishes: {back}.")
    return 0


def _apart(arguments: Sequence[str]) -> list[str]:
    """The arguments, with a mark between ours and those of a command that is passed on."""
    if not arguments or arguments[0] not in PASSING_ON:
        return list(arguments)
    ours = 1
    if len(arguments) > 1 and arguments[1] in ("-h", "--help"):
        ours = 2
    elif len(arguments) > 1 and arguments[1].startswith("--number"):
        ours = 2 if "=" in arguments[1] else 3
    theirs = arguments[ours:]
    return [*arguments[:ours], *([] if theirs[:1] == ["--"] else ["--"]), *theirs]


def _print(found: dict[str, Any]) -> None:
    if not found["up"]:
        print(f"cluster {found['number']} is not up")
        return
    for name, program in found["programs"].items():
        state = f"pid {program['pid']}" if program["pid"] else "ended"
        again = f", started again {program['restarts']} times" if program["restarts"] else ""
        print(f"{name:24} {state}{again}")
    for name, ready in found.get("nodes", {}).items():
        print(f"node {name:19} {'ready' if ready else 'not ready'}")
    for name, phase in found.get("pods", {}).items():
        print(f"{phase:24} {name}")
    print(f"\nexport KUBECONFIG={found['kubeconfig']}")


def _parser() -> argparse.ArgumentParser:
    cluster = parser("deploy/cluster", DESCRIPTION, EXAMPLES)
    commands = cluster.add_subparsers(required=True, metavar="COMMAND")
    for name, run in {
        "up": up,
        "down": down,
        "status": status,
        "load": load,
        "images": load_all,
        "kubectl": kubectl,
        "exec": execute,
        "kubeconfig": kubeconfig,
        "base": base,
        "build": build,
        "scale": measure_scale,
    }.items():
        text = run.__doc__ or ""
        brief = text.partition("\n")[0].rstrip(".")
        command = commands.add_parser(name, help=brief[0].lower() + brief[1:], description=text)
        command.set_defaults(run=run)
        command.add_argument(
            "--number",
            type=int,
            default=int(os.environ.get("HAIRPIN_CLUSTER_NUMBER", "0")),
            help="which of this machine's clusters (default: $HAIRPIN_CLUSTER_NUMBER or 0)",
        )
        if run is up:
            command.add_argument(
                "--load", type=Path, action="append", default=[], help="an image archive to load"
            )
        elif run is load_all:
            command.add_argument("--build-only", action="store_true", help="load none")
        elif run is status:
            command.add_argument("--json", action="store_true", help="for programs")
        elif run is measure_scale:
            command.add_argument("--json", action="store_true", help="for programs")
            command.add_argument(
                "--workers",
                type=int,
                nargs="+",
                default=[1, 8, 32, 128],
                help="how many, one after another (default: 1 8 32 128)",
            )
        elif run is load:
            command.add_argument("archives", type=Path, nargs="+", help="image archives")
        elif run in (kubectl, execute):
            command.add_argument("arguments", nargs="*", help="passed on")
    return cluster

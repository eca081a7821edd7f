"""What programs are built from: published sources, their versions and how they are built."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

CLUSTER_PROGRAMS = Path(__file__).resolve().parents[1] / "rig" / "programs"
"""A module that requires everything of a cluster, so that packages are compiled once for all."""


@dataclass(frozen=True)
class Source:
    """A published Go module that programs are built from.

    Attributes:
        title: What people call it.
        release: Its version, as its makers call it.
        module: The module's path.
        version: The same release, as Go calls it.
        programs: Name of each program: its package in the module.
        variables: Variables set while linking, by their full names.
        tags: Build tags.
        files: Files that a release has and the module lacks: path in the module, text.
        folder: A module of this repository that is built instead; nothing to download but what it
            needs.
        links: Other names of a program that asks by which it is called: name, program.
        keep: Folders of the module that are wanted beside the programs.
    """

    title: str
    release: str
    module: str
    version: str
    programs: dict[str, str]
    variables: dict[str, str] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    files: dict[str, str] = field(default_factory=dict)
    folder: Path | None = field(default=None, repr=False)
    links: dict[str, str] = field(default_factory=dict, repr=False)
    keep: tuple[str, ...] = field(default=(), repr=False)

    @property
    def key(self) -> str:
        """Names one recipe: a folder of the cache."""
        recipe = [repr(self)]
        if self.folder:
            paths = sorted(path for path in self.folder.rglob("*") if path.is_file())
            recipe += [path.read_text(encoding="utf-8") for path in paths]
        if self.links or self.keep:
            recipe.append(repr((self.links, self.keep)))
        digest = hashlib.sha256("".join(recipe).encode()).hexdigest()[:8]
        return f"{self.kind}{self.release}-{digest}"

    @property
    def kind(self) -> str:
        """What the keys of all versions begin with."""
        return f"{self.title.lower()}-"


MINIO = Source(
    title="MinIO",
    release="RELEASE.2025-09-07T16-13-09Z",
    module="github.com/minio/minio",
    version="v0.0.0-20250907161309-07c3a429bfed",
    programs={"minio": "."},
    variables={
        "github.com/minio/minio/cmd.Version": "2025-09-07T16:13:09Z",
        "github.com/minio/minio/cmd.ReleaseTag": "RELEASE.2025-09-07T16-13-09Z",
        "github.com/minio/minio/cmd.CopyrightYear": "2025",
    },
)
MEDIAMTX = Source(
    title="MediaMTX",
    release="1.20.1",
    module="github.com/bluenviron/mediamtx",
    version="v1.20.1",
    programs={"mediamtx": "."},
    # The second is a player for HLS, which is off in `servers.mediamtx`.
    files={"internal/core/VERSION": "v1.20.1", "internal/servers/hls/hls.min.js": ""},
)
PROMETHEUS = Source(
    title="Prometheus",
    release="3.14.0",
    module="github.com/prometheus/prometheus",
    version="v0.314.0",
    programs={"prometheus": "./cmd/prometheus", "promtool": "./cmd/promtool"},
    variables={"github.com/prometheus/common/version.Version": "3.14.0"},
    # Clouds' service discovery is most of what there is to compile.
    tags=("remove_all_sd", "enable_dns_sd"),
)
HELM = Source(
    title="Helm",
    release="4.2.4",
    module="helm.sh/helm/v4",
    version="v4.2.4",
    folder=CLUSTER_PROGRAMS,
    programs={"helm": "helm.sh/helm/v4/cmd/helm"},
    variables={"helm.sh/helm/v4/internal/version.version": "v4.2.4"},
)
KUBECONFORM = Source(
    title="Kubeconform",
    release="0.7.0",
    module="github.com/yannh/kubeconform",
    version="v0.7.0",
    folder=CLUSTER_PROGRAMS,
    programs={"kubeconform": "github.com/yannh/kubeconform/cmd/kubeconform"},
)
KUBE_SCORE = Source(
    title="Kube-score",
    release="1.20.0",
    module="github.com/zegl/kube-score",
    version="v1.20.0",
    programs={"kube-score": "./cmd/kube-score"},
)

SOURCES = (MEDIAMTX, MINIO, PROMETHEUS)
"""The servers."""

CHART_TOOLS = (HELM, KUBECONFORM, KUBE_SCORE)
"""What installs the chart, and what checks it."""

"""A cluster by way of kubectl and Helm, as its administrator."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rig import programs
from servers import binaries
from servers.errors import ServerError, last_lines


class ToolError(ServerError):
    """kubectl or Helm failed; the text is one line.

    Attributes:
        said: All that it said.
    """

    def __init__(self, what: str, said: str) -> None:
        super().__init__(f"{what}: {last_lines(said)}")
        self.said = said


@dataclass(frozen=True)
class Client:
    """What a cluster's administrator can do.

    Attributes:
        kubeconfig: The file by which programs find the cluster and are let in.
    """

    kubeconfig: Path

    @property
    def environment(self) -> dict[str, str]:
        """The variables with which kubectl and Helm find the cluster."""
        return {**os.environ, "KUBECONFIG": str(self.kubeconfig)}

    @property
    def kubectl_path(self) -> Path:
        """The program."""
        return programs.kubernetes() / "kubectl"

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """What kubectl prints.

        Raises:
            ToolError: It failed.
        """
        return _said([str(self.kubectl_path), *arguments], self.environment, stdin)

    def get(self, *arguments: str) -> Any:
        """The parsed answer of ``kubectl get``.

        Raises:
            ToolError: It failed.
        """
        return json.loads(self.kubectl("get", *arguments, "-o", "json"))

    def helm(self, *arguments: str, home: Path) -> str:
        """What Helm prints.

        Args:
            arguments: Its command.
            home: The folder of its own files.

        Raises:
            ToolError: It failed.
        """
        environment = {**self.environment, **helm_home(home)}
        return _said([str(binaries.program("helm")), *arguments], environment)


def helm_home(folder: Path) -> dict[str, str]:
    """The variables with which Helm keeps its own files in a folder, and not in the user's."""
    return {f"HELM_{kind}_HOME": str(folder) for kind in ("CACHE", "CONFIG", "DATA")}


def _said(command: list[str], environment: Mapping[str, str], stdin: str | None = None) -> str:
    ran = subprocess.run(
        command, env=environment, input=stdin, capture_output=True, text=True, check=False
    )
    if ran.returncode:
        what = " ".join([Path(command[0]).name, *command[1:]])
        raise ToolError(what, f"{ran.stdout}\n{ran.stderr}")
    return ran.stdout

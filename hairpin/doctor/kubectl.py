"""The cluster's API through the program `kubectl`, which knows every way to log in."""

from __future__ import annotations

import contextlib
import json
import queue
import re
import shlex
import shutil
import subprocess
import threading
from collections.abc import Iterator
from typing import Any, Literal

Json = dict[str, Any]
Reason = Literal["missing", "config", "unreachable", "login", "forbidden", "not found", "other"]

REQUEST_S = 10
COMMAND_S = 30.0
FORWARD_S = 15.0
# Parts of what kubectl says; the first that fits counts.
_REASONS: tuple[tuple[str, Reason], ...] = (
    (r"\(Forbidden\)|is forbidden", "forbidden"),
    (r"\(NotFound\)|doesn't have a resource type", "not found"),
    (r"Unauthorized|must be logged in|credentials|exec plugin|executable .* not found", "login"),
    (r"context .*(not found|not exist)|localhost:8080|no such file|error loading config", "config"),
    (r"connect|refused|timeout|deadline|no such host|x509|EOF", "unreachable"),
)  # fmt: skip


class KubectlError(Exception):
    """kubectl did not do it.

    Attributes:
        reason: Why, as a word to decide by.
        said: Why, in kubectl's words, a line.
    """

    def __init__(self, reason: Reason, said: str) -> None:
        super().__init__(said)
        self.reason = reason
        self.said = said


class Kubectl:
    """Runs kubectl against one context and namespace.

    Args:
        context: Of the kubeconfig; None for its current one.
        namespace: None for the context's.
    """

    def __init__(self, context: str | None, namespace: str | None = None) -> None:
        self._context = context
        self.namespace = namespace

    def within(self, namespace: str) -> Kubectl:
        """The same for another namespace."""
        return Kubectl(self._context, namespace)

    def shown(self, *arguments: str) -> str:
        """A command for a person to type."""
        return shlex.join([*self._command(), *arguments])

    def run(self, *arguments: str, stdin: str | None = None, timeout_s: float = COMMAND_S) -> str:
        """What kubectl prints.

        Raises:
            KubectlError: It is not installed, or failed.
        """
        if shutil.which("kubectl") is None:
            raise KubectlError("missing", "kubectl is not installed")
        try:
            ran = subprocess.run(
                [*self._command(), f"--request-timeout={REQUEST_S}s", *arguments],
                input=stdin,
                capture_output=True,
                text=True,
                timeout=timeout_s,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise KubectlError("unreachable", f"no answer within {timeout_s:g} s") from None
        if ran.returncode:
            raise explained(ran.stderr)
        return ran.stdout

    def get(self, *arguments: str) -> Json:
        """The parsed answer of ``kubectl get``. Raises `KubectlError`."""
        answer = json.loads(self.run("get", *arguments, "-o", "json"))
        assert isinstance(answer, dict)
        return answer

    def items(self, *arguments: str) -> list[Json]:
        """The objects of a list. Raises `KubectlError`."""
        return list(self.get(*arguments)["items"])

    @contextlib.contextmanager
    def forward(self, target: str, port: int) -> Iterator[int]:
        """A port of this machine that leads to one of the cluster, for as long as it is used.

        Args:
            target: ``service/NAME`` or ``pod/NAME``.
            port: The target's.

        Raises:
            KubectlError: It cannot be made.
        """
        process = subprocess.Popen(
            [*self._command(), "port-forward", "--address=127.0.0.1", target, f":{port}"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            yield _port_said(process)
        finally:
            process.kill()
            process.communicate()

    def _command(self) -> list[str]:
        command = ["kubectl"]
        if self._context:
            command += ["--context", self._context]
        if self.namespace:
            command += ["-n", self.namespace]
        return command


def _port_said(process: subprocess.Popen[str]) -> int:
    """The port that kubectl has chosen and says in its first line."""
    assert process.stdout is not None and process.stderr is not None
    lines: queue.Queue[str] = queue.Queue()
    out = process.stdout
    threading.Thread(target=lambda: lines.put(out.readline()), daemon=True).start()
    try:
        first = lines.get(timeout=FORWARD_S)
    except queue.Empty:
        raise KubectlError("unreachable", f"no forward within {FORWARD_S:g} s") from None
    port = re.search(r":(\d+) ->", first)
    if port is None:
        raise explained(process.stderr.read())
    return int(port[1])


def explained(stderr: str) -> KubectlError:
    """The error that kubectl's words mean."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    said = lines[-1] if lines else "kubectl failed and said nothing"
    said = re.sub(r"^(error|Error from server \(\w+\)): ", "", said)
    for pattern, reason in _REASONS:
        if re.search(pattern, stderr):
            return KubectlError(reason, said)
    return KubectlError("other", said)

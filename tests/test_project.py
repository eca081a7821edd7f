"""The project as a whole: layout, imports, versions, and that the documents tell the truth."""

from __future__ import annotations

import ast
import importlib.metadata
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import hairpin
from hairpin.cli import cli

ROOT = Path(__file__).resolve().parents[1]
MAY_IMPORT = {  # data runs one way: job -> sim -> rollout_workers -> learner -> storage
    "sim": set(),
    "rollout_workers": {"sim"},
    "learner": {"sim", "rollout_workers", "storage"},
    "storage": set(),
    "dashboards": set(),
    "hairpin": {"sim", "rollout_workers", "learner", "storage", "dashboards"},
}
MUST_NOT_IMPORT = {
    "sim": {"ray", "torch"},
    "rollout_workers": {"torch"},  # a worker without it starts in seconds
    "storage": {"ray", "torch", "numpy", "pybullet"},
    "dashboards": {"ray", "torch", "pybullet"},
}
# Addresses that change from place to place, and what is not to land.
FORBIDDEN = re.compile(
    r"://[\w.-]*\b(?:proxy|mirror|registry|index|files)\b"
    r"|/home/\w|/Users/\w|\b(?:T[O]DO|F[I]XME)\b"
)
SHARED = re.compile(r"\.\./shared")
TEXT = {".py", ".md", ".toml", ".yaml", ".yml", ".sh", ".txt", ".json", ".cfg", ".tpl", ""}
SHELL = {"bash", "sh", "shell", "console"}
BLOCK = re.compile(r"^```(\w+)[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)


def project_files() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip("not a git working tree")
    names = listed.stdout.decode().split("\0")
    return [ROOT / name for name in names if name and (ROOT / name).is_file()]


def sources(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def imported(path: Path) -> set[str]:
    """Top-level names of everything a module imports, wherever in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_package_ships_its_types(package: str) -> None:
    assert (ROOT / package / "__init__.py").is_file()
    assert (ROOT / package / "py.typed").is_file()


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_imports_go_one_way(package: str) -> None:
    forbidden = set(MAY_IMPORT) - MAY_IMPORT[package] - {package}
    forbidden |= MUST_NOT_IMPORT.get(package, set())
    found = {
        str(path.relative_to(ROOT)): names
        for path in sources(package)
        if (names := imported(path) & forbidden)
    }
    assert found == {}


def test_nothing_local_lands() -> None:
    found = []
    for path in project_files():
        if path.suffix not in TEXT or path == Path(__file__).resolve():
            continue
        name = str(path.relative_to(ROOT))
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if FORBIDDEN.search(line) or (SHARED.search(line) and name != ".ci/run"):
                found.append(f"{name}:{number}: {line.strip()}")
    assert found == []


def test_version_is_the_same_everywhere() -> None:
    assert importlib.metadata.version("hairpin") == hairpin.__version__
    headings = re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.M)
    assert headings and headings[0] in ("Unreleased", hairpin.__version__)


def constraints() -> dict[str, str]:
    """The exact versions that hold on this Python and system."""
    pins = {}
    for line in (ROOT / "deploy" / "constraints.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            continue
        requirement = Requirement(line)
        assert requirement.url is None, line
        (specifier,) = requirement.specifier
        assert specifier.operator == "==", line
        if requirement.marker is None or requirement.marker.evaluate(default_environment()):
            pins[canonicalize_name(requirement.name)] = specifier.version
    return pins


def test_constraints_pin_every_direct_dependency_within_its_range() -> None:
    pins = constraints()
    extras = importlib.metadata.metadata("hairpin").get_all("Provides-Extra") or []
    for text in importlib.metadata.requires("hairpin") or []:
        requirement = Requirement(text)
        here = [default_environment() | {"extra": extra} for extra in ["", *extras]]
        if requirement.marker and not any(map(requirement.marker.evaluate, here)):
            continue
        version = pins[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version), f"{text} but {version} is pinned"


def test_scripts_parse_and_are_executable() -> None:
    scripts = [*(ROOT / "deploy").glob("*.sh"), ROOT / ".ci" / "run"]
    for script in scripts:
        assert script.stat().st_mode & 0o111, script
        subprocess.run(["bash", "-n", str(script)], check=True)


def documents() -> list[Path]:
    return [path for path in project_files() if path.suffix == ".md"]


def shell_blocks() -> Iterator[tuple[Path, str]]:
    for path in documents():
        for language, text in BLOCK.findall(path.read_text(encoding="utf-8")):
            if language in SHELL:
                yield path, re.sub(r"^\$ ", "", text, flags=re.MULTILINE)


def test_shell_commands_in_documents_parse() -> None:
    for path, text in shell_blocks():
        parsed = subprocess.run(
            ["bash", "-n"], input=text, text=True, capture_output=True, check=False
        )
        assert parsed.returncode == 0, f"{path.name}: {text}\n{parsed.stderr}"


def hairpin_commands() -> Iterator[tuple[Path, list[str]]]:
    """Every call of `hairpin` in the documents' shell blocks, as its arguments."""
    for path, text in shell_blocks():
        for line in text.replace("\\\n", " ").splitlines():
            for command in re.split(r"&&|\|\||;|\|", line.split(" #")[0]):
                words = shlex.split(command)
                if "hairpin" in words and words[0] != "helm":
                    yield path, words[words.index("hairpin") + 1 :]


def options_of(command: click.Command | None) -> set[str]:
    assert command is not None
    return {
        option
        for parameter in command.get_params(click.Context(command))
        for option in (*parameter.opts, *parameter.secondary_opts)
    }


def test_commands_in_documents_exist() -> None:
    for path, arguments in hairpin_commands():
        command: click.Command = cli
        context = click.Context(command)
        words = iter(arguments)
        for word in words:
            if word.startswith("-"):
                known = options_of(command)
                if command.context_settings.get("ignore_unknown_options"):  # passes them on
                    known |= options_of(cli.get_command(context, "train"))
                assert word.split("=")[0] in known, f"{path.name}: hairpin {arguments}: {word}"
            elif isinstance(command, click.Group):
                found = command.get_command(context, word)
                assert found is not None, f"{path.name}: hairpin {arguments}: no command {word}"
                command, context = found, click.Context(found, parent=context)

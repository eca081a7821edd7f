"""Programs are built from a module's source: once, by one process, or with one line of error.

The module here is a small one, which Go downloads from a folder.
"""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from rig.programs import KUBERAY, KUBERNETES
from servers import binaries
from servers.binaries import built
from servers.errors import ServerError
from servers.sources import CHART_TOOLS, MINIO, SOURCES, Source

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
MODULE, VERSION = "example.com/greeter", "v1.2.3"
PROGRAM = """\
package main

import _ "embed"

//go:embed NAME
var name string

var greeting = "none"

func main() { print(greeting, " ", name) }
"""
SOURCE = Source(
    title="Greeter",
    release="1.2.3",
    module=MODULE,
    version=VERSION,
    programs={"greet": "./cmd/greet"},
    variables={"main.greeting": "hello"},
    files={"cmd/greet/NAME": "world"},
)


@pytest.fixture
def downloads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that Go downloads from, and caches of one's own."""
    monkeypatch.setenv("HAIRPIN_SERVERS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("GOMODCACHE", str(tmp_path / "modules"))
    monkeypatch.setenv("GOPROXY", f"file://{tmp_path / 'downloads'}")
    monkeypatch.setenv("GOSUMDB", "off")
    return tmp_path / "downloads"


def publish(downloads: Path, program: str) -> None:
    folder = downloads / MODULE / "@v"
    folder.mkdir(parents=True)
    module = f"module {MODULE}\n\ngo 1.20\n"
    (folder / f"{VERSION}.info").write_text(f'{{"Version": "{VERSION}"}}', encoding="utf-8")
    (folder / f"{VERSION}.mod").write_text(module, encoding="utf-8")
    with zipfile.ZipFile(folder / f"{VERSION}.zip", "w") as archive:
        archive.writestr(f"{MODULE}@{VERSION}/go.mod", module)
        archive.writestr(f"{MODULE}@{VERSION}/cmd/greet/main.go", program)


def test_a_program_is_built_with_its_files_and_variables(downloads: Path) -> None:
    publish(downloads, PROGRAM)
    folder = built(SOURCE)
    said = subprocess.run([folder / "greet"], capture_output=True, text=True, check=True)
    assert said.stderr == "hello world"
    assert [path.name for path in folder.parent.iterdir() if path.is_dir()] == [SOURCE.key]


def test_a_module_of_a_folder_is_built_with_its_links_and_what_to_keep(
    tmp_path: Path, downloads: Path
) -> None:
    module = tmp_path / "module"
    (module / "words").mkdir(parents=True)
    (module / "words" / "hello").write_text("world", encoding="utf-8")
    (module / "go.mod").write_text("module example.com/here\n\ngo 1.20\n", encoding="utf-8")
    program = 'package main\n\nimport "os"\n\nfunc main() { print(os.Args[0]) }\n'
    for name in ("one", "two"):
        (module / name).mkdir()
        (module / name / "main.go").write_text(program, encoding="utf-8")
    source = Source(
        title="Here",
        release="1",
        module="example.com/here",
        version="v1.0.0",
        folder=module,
        programs={"one": "./one", "two": "./two"},
        links={"other": "one"},
        keep=("words",),
    )
    home = tmp_path / "home"
    folder = built(source, home)
    assert folder.parent == home and (folder / "words" / "hello").read_text() == "world"
    for name in ("other", "two"):
        said = subprocess.run([folder / name], capture_output=True, text=True, check=True)
        assert said.stderr == str(folder / name)
    (module / "one" / "main.go").write_text(program + "// changed\n", encoding="utf-8")
    assert source.key != folder.name  # what is built is what the folder says now


def test_of_processes_that_want_a_program_one_builds_it(
    downloads: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(downloads, PROGRAM)
    imports = "from servers.binaries import built; from servers.sources import Source"
    code = f"{imports}; print(built({SOURCE!r}))"
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONPATH": str(DEPLOY)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    said = [process.communicate() for process in processes]
    assert {out.strip() for out, _ in said} == {str(binaries.cache() / SOURCE.key)}
    assert sum("services: built Greeter" in err for _, err in said) == 1
    monkeypatch.setenv("PATH", "")
    assert built(SOURCE).name == SOURCE.key  # the next call needs no Go


def test_a_source_that_does_not_compile_says_what_go_says(downloads: Path) -> None:
    publish(downloads, PROGRAM.replace("func main", "function main"))
    with pytest.raises(ServerError, match=r"Greeter could not be built: .*syntax error.*\.log\)$"):
        built(SOURCE)
    assert not (binaries.cache() / SOURCE.key).exists()


def test_a_source_that_is_nowhere_says_what_go_says(downloads: Path) -> None:
    downloads.mkdir()
    with pytest.raises(ServerError, match=r"^Greeter could not be downloaded: .*greeter"):
        built(SOURCE)


def test_without_go_there_is_one_clear_line(
    downloads: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    ran = subprocess.run(
        [sys.executable, DEPLOY / "services", "build"], capture_output=True, text=True, check=False
    )
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr == (
        f"error: MinIO {MINIO.release} is built from source, once, by Go 1.26 or newer; "
        "there is no 'go' on the PATH. Install it: https://go.dev/dl\n"
    )


def test_a_go_that_is_too_old_is_named(
    tmp_path: Path, downloads: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go = tmp_path / "go"
    go.write_text("#!/bin/sh\necho go version go1.9.7 linux/amd64\n", encoding="utf-8")
    go.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ServerError, match=rf"{go} is go1\.9\. Install a newer one"):
        built(SOURCE)


def test_versions_are_exact_and_go_calls_programs_as_we_do() -> None:
    for source in (*SOURCES, *CHART_TOOLS, KUBERNETES, KUBERAY):
        assert source.version.startswith("v") and source.version[1].isdigit()
        if len(source.programs) > 1:
            assert all(Path(path).name == name for name, path in source.programs.items())

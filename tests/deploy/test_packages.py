"""Programs of the distribution: installed where that can be done, or asked for in one line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rig import packages
from servers.errors import ServerError

COMMAND = Path(__file__).resolve().parents[2] / "deploy" / "cluster"
APT_GET = """\
#!/bin/sh
echo "$@" >> {log}
case "$2" in
  update) exit {update} ;;
esac
for program in buildah debootstrap ip iptables nft nsenter openssl runc unshare; do
  echo > {bin}/$program
  /bin/chmod +x {bin}/$program
done
"""
HERE = {"/usr/lib/cni/ptp"}  # has a fixed place, so it may be there and may not


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without any program: the only folder of its PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    for needed in (packages.OF_A_NODE, packages.OF_IMAGES):
        for program in HERE & set(needed):
            monkeypatch.delitem(needed, program)
    return folder


def put_apt_get(folder: Path, update: int = 0) -> Path:
    log = folder / "log"
    program = folder / "apt-get"
    program.write_text(APT_GET.format(log=log, bin=folder, update=update), encoding="utf-8")
    program.chmod(0o755)
    return log


def test_without_apt_one_line_says_what_to_install(bare: Path) -> None:
    ran = subprocess.run(
        [sys.executable, str(COMMAND), "build"],
        env={**os.environ, "HAIRPIN_CLUSTER_CACHE": str(bare)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stdout, ran.stderr.count("\n")) == (2, "", 1)
    assert ran.stderr.startswith("error: programs are missing. Install: apt-get install buildah ")
    assert "iproute2" in ran.stderr and "nftables" in ran.stderr and "runc" in ran.stderr


def test_root_has_apt_install_it(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = put_apt_get(bare)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(ServerError, match="Install: apt-get install buildah"):
        packages.install()
    assert not log.exists()
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    packages.install()
    update, install = log.read_text(encoding="utf-8").splitlines()
    assert update == "-qq update"
    assert install.startswith("-qq install --yes --no-install-recommends buildah debootstrap")
    assert install.split().count("util-linux") == 1
    packages.install()
    assert len(log.read_text(encoding="utf-8").splitlines()) == 2  # it is all there now


def test_an_apt_that_fails_says_so(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_apt_get(bare, update=100)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(ServerError, match="apt-get update failed: it said nothing"):
        packages.install()

#!/usr/bin/env bash
# Installs what the tests need and runs every check: lint, format, types, tests.
# Needs Python 3.10 or 3.11, git, and Go 1.26 or newer: the tests run real servers, which are built
# once (see deploy/services). Arguments go to pytest:  deploy/test.sh -k camera
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

venv=${HAIRPIN_TEST_VENV:-$PWD/.venv-test}
status=0

supported_python() {
  local candidate
  for candidate in python3.11 python3.10 python3 python; do
    if "$candidate" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 12))' 2>/dev/null; then
      command -v "$candidate"
      return
    fi
  done
  echo "deploy/test.sh: Python 3.10 or 3.11 is needed and none is on the PATH" >&2
  exit 2
}

# Prints the uv to use: the one on the PATH, or else one of our own beside the test environment.
find_uv() {
  if command -v uv; then
    return
  fi
  if [[ ! -x $venv-uv/bin/uv ]]; then
    "$python" -m venv "$venv-uv"
    "$venv-uv/bin/python" -m pip install --quiet "uv>=0.8,<1" >&2
  fi
  echo "$venv-uv/bin/uv"
}

# An unchanged environment is reused: its stamp is the checksum of what it was made from.
install() {
  local stamp
  stamp=$(cat pyproject.toml deploy/constraints.txt | cksum)
  if [[ -f $venv/stamp && $(<"$venv/stamp") == "$stamp" ]]; then
    return
  fi
  local uv
  uv=$(find_uv)
  "$uv" venv --quiet --clear --python "$python" "$venv"
  "$uv" pip install --quiet --compile-bytecode --python "$venv" --constraints deploy/constraints.txt \
    --group dev --editable '.[bench,onnx,tensorflow,grafana]'
  echo "$stamp" > "$venv/stamp"
}

check() {
  echo "== $*"
  "$venv/bin/python" -m "$@" || status=1
}

python=$(supported_python)
install & # it waits for the network and the disk, what is built for the processor
built=0
{ "$python" deploy/cluster build && "$python" deploy/services build; } || built=2
wait "$!"
(( built == 0 )) || exit "$built"
"$python" deploy/cluster images --build-only > /dev/null & # from the packages that are there now
check ruff check .
check ruff format --check .
check mypy
wait "$!" || exit 2
# Two at a time, also on a larger machine: many a test is a training that takes every core.
check pytest -ra --durations=20 --numprocesses 2 --no-loadscope-reorder "$@"
exit "$status"

#!/usr/bin/env bash
# Renews deploy/constraints.txt: the newest versions that pyproject.toml allows, for every Python
# and system the project runs on. Exact versions only: no addresses, no hashes.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

uv lock --quiet --upgrade
{
  echo "# Exact versions for the tests and the images. Renew with deploy/pin.sh, then run deploy/test.sh."
  uv export --quiet --frozen --no-hashes --no-header --no-annotate \
    --all-extras --group dev --no-emit-project
} > deploy/constraints.new
mv deploy/constraints.new deploy/constraints.txt

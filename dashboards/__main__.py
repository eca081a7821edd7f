"""Writes dashboards, alert rules and runbooks anew: ``python -m dashboards [--check]``."""

from __future__ import annotations

import argparse
import sys


def main() -> int:
    """The exit status: 1 if ``--check`` finds a file that is outdated."""
    parser = argparse.ArgumentParser(prog="python -m dashboards", description=__doc__)
    parser.add_argument("--check", action="store_true", help="only say which are outdated")
    check: bool = parser.parse_args().check
    if sys.version_info < (3, 11):
        print("python -m dashboards needs Python 3.11, as Grafana's SDK does", file=sys.stderr)
        return 2
    try:
        import grafana_foundation_sdk  # noqa: F401
    except ImportError:
        print("Grafana's SDK is missing: pip install 'hairpin[grafana]'", file=sys.stderr)
        return 2
    from dashboards.write import outdated, write

    for path in outdated() if check else write():
        print(path if not check else f"outdated: {path}")
    return 1 if check and outdated() else 0


if __name__ == "__main__":
    sys.exit(main())

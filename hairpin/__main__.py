"""``python -m hairpin`` is the command ``hairpin``."""

from __future__ import annotations

from hairpin.cli import main

if __name__ == "__main__":
    main()

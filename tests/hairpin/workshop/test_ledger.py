"""The minutes of participants, as they are kept beside the runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hairpin.workshop.ledger import KEY, Ledger
from storage import StorageError


def test_minutes_are_read_back_and_a_damaged_table_is_not_taken_for_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HAIRPIN_STORAGE", str(tmp_path))
    used_s = {"anna": 90.0, "": 30.0}
    ledger = Ledger(lambda: used_s)
    assert ledger.read() == {}
    ledger.write()
    assert json.loads((tmp_path / KEY).read_text()) == {"": 0.5, "anna": 1.5}
    assert Ledger(dict).read() == used_s

    (tmp_path / KEY).unlink()
    ledger.write()  # nothing has changed
    assert not (tmp_path / KEY).exists()
    used_s["anna"] = 120.0
    ledger.write()
    assert Ledger(dict).read()["anna"] == 120.0

    for damaged in ('{"anna": "many"}', '["anna"]', "{"):
        (tmp_path / KEY).write_text(damaged)
        with pytest.raises(StorageError, match="not the minutes of participants"):
            Ledger(dict).read()

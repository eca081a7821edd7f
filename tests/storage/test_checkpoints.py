"""Checkpoints: published whole, verified, the old ones removed."""

from __future__ import annotations

import json
import logging

import pytest

from storage import DamagedError, NotFoundError, Run, Store

PARTS = {"weights.safetensors": b"w" * 1000, "state.json": b"{}"}


@pytest.fixture
def run(store: Store) -> Run:
    return Run.create(store, "run", {})


def key_of(run: Run, checkpoint: str, part: str) -> str:
    return f"run/checkpoints/{checkpoint}/{part}"


def test_a_checkpoint_is_read_back(run: Run) -> None:
    written = run.write_checkpoint(120, PARTS, {"completion": 0.5})
    info, files = Run.open(run.store, "run").read_checkpoint()
    assert files == PARTS
    assert info == written
    assert (info.name, info.step, info.meta) == ("00001-step-120", 120, {"completion": 0.5})
    assert info.size_bytes == 1002


def test_aliases_say_which(run: Run) -> None:
    first = run.write_checkpoint(1, {"part": b"1"}, {})
    run.set_alias("best", first.name)
    second = run.write_checkpoint(2, {"part": b"2"}, {})
    assert run.checkpoints.aliases() == {"best": first.name, "latest": second.name}
    assert run.read_checkpoint("best")[1] == {"part": b"1"}
    assert run.read_checkpoint("latest")[1] == {"part": b"2"}
    assert run.read_checkpoint(first.name)[1] == {"part": b"1"}


def test_steps_say_which_too(run: Run) -> None:
    run.write_checkpoint(40, {"part": b"old"}, {})
    again = run.write_checkpoint(40, {"part": b"new"}, {})  # after a resume from before
    run.write_checkpoint(140, {"part": b"more"}, {})
    assert run.checkpoints.resolve("40") == again.name
    assert run.read_checkpoint("140")[1] == {"part": b"more"}
    for wrong in ("4", "0040", "step", "step-40", ""):
        with pytest.raises(NotFoundError, match="latest, 00001-step-40, 00002-step-40"):
            run.checkpoints.resolve(wrong)


def test_what_is_not_there_is_said(run: Run) -> None:
    with pytest.raises(NotFoundError, match="None has been written yet"):
        run.read_checkpoint()
    run.write_checkpoint(1, PARTS, {})
    with pytest.raises(NotFoundError, match=r"no checkpoint 'best'.*latest, 00001-step-1"):
        run.read_checkpoint("best")
    with pytest.raises(NotFoundError, match="no checkpoint 'nine'"):
        run.set_alias("best", "nine")


def test_the_last_ones_and_the_aliased_are_kept(run: Run) -> None:
    names = []
    for step in range(8):
        names.append(run.write_checkpoint(step, PARTS, {}).name)
        if step == 2:
            run.set_alias("best", names[-1])
    assert run.checkpoints.names() == [names[2], *names[-3:]]
    assert run.store.children("run/checkpoints") == run.checkpoints.names()


def test_going_on_from_an_older_one_does_not_lose_the_newest(run: Run) -> None:
    for step in (100, 200, 300):
        run.write_checkpoint(step, PARTS, {})
    again = run.write_checkpoint(150, {"part": b"again"}, {})
    assert run.read_checkpoint()[0] == again
    assert run.checkpoints.names()[-1] == again.name


def test_without_its_manifest_it_is_not_there(run: Run) -> None:
    first = run.write_checkpoint(1, PARTS, {})
    run.store.put(key_of(run, "00002-step-2", "weights.safetensors"), b"half")
    assert run.checkpoints.names() == [first.name]
    assert run.read_checkpoint()[0] == first
    third = run.write_checkpoint(3, PARTS, {})
    assert run.store.children("run/checkpoints") == [first.name, third.name]


def test_without_the_alias_the_newest_is_the_latest(run: Run) -> None:
    run.write_checkpoint(1, PARTS, {})
    run.store.delete("run/aliases/latest")
    assert run.read_checkpoint()[0].step == 1


def damage_flip(run: Run, name: str) -> None:
    run.store.put(key_of(run, name, "weights.safetensors"), b"w" * 999 + b"v")


def damage_truncate(run: Run, name: str) -> None:
    run.store.put(key_of(run, name, "weights.safetensors"), b"w" * 999)


def damage_remove(run: Run, name: str) -> None:
    run.store.delete(key_of(run, name, "weights.safetensors"))


def damage_manifest(run: Run, name: str) -> None:
    key = key_of(run, name, "manifest.json")
    run.store.put(key, run.store.get(key)[:-40])


def damage_manifest_value(run: Run, name: str) -> None:
    run.store.put(key_of(run, name, "manifest.json"), b"[]")


DAMAGES = [damage_flip, damage_truncate, damage_remove, damage_manifest, damage_manifest_value]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_one_is_named_and_the_one_before_used(run: Run, damage, caplog) -> None:
    names = [run.write_checkpoint(step, PARTS, {}).name for step in (1, 2, 3)]
    damage(run, names[2])
    with caplog.at_level(logging.WARNING, logger="storage"):
        info, files = run.read_checkpoint("latest")
    assert (info.name, files) == (names[1], PARTS)
    assert names[2] in caplog.text
    assert caplog.text.count("damaged, using the one before") == 1


def test_when_all_are_damaged_the_run_is_named(run: Run) -> None:
    for step in (1, 2):
        damage_flip(run, run.write_checkpoint(step, PARTS, {}).name)
    with pytest.raises(DamagedError, match="so are all before it") as caught:
        run.read_checkpoint()
    assert caught.value.where == run.url


def test_a_manifest_of_a_newer_format_is_not_guessed_at(run: Run) -> None:
    name = run.write_checkpoint(1, PARTS, {}).name
    key = key_of(run, name, "manifest.json")
    run.store.put(key, json.dumps({**json.loads(run.store.get(key)), "format": 99}).encode())
    assert run.checkpoints.infos() == []
    with pytest.raises(DamagedError):
        run.read_checkpoint()


def test_a_manifest_cannot_point_outside(run: Run) -> None:
    name = run.write_checkpoint(1, PARTS, {}).name
    key = key_of(run, name, "manifest.json")
    content = json.loads(run.store.get(key))
    content["files"] = {"../../job.json": content["files"]["state.json"]}
    run.store.put(key, json.dumps(content).encode())
    with pytest.raises(Exception, match="not a valid name"):
        run.read_checkpoint()


def test_facts_that_are_not_json_are_refused_before_anything_is_stored(run: Run) -> None:
    with pytest.raises(TypeError):
        run.write_checkpoint(1, PARTS, {"x": object()})
    assert run.store.children("run/checkpoints") == []

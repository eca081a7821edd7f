"""A training state as files: arrays as safetensors, the rest as JSON, nothing as pickles.

Reading the weights needs neither torch nor Ray.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load, save

if TYPE_CHECKING:
    from learner.ppo import HairpinPPO

WEIGHTS = "policy.safetensors"
OPTIMIZER = "optimizer.safetensors"
STATE = "state.json"
FORMAT = 1
HEADS = ("policy.", "log_std")  # what depends on the action space

_LEARNER = "learner"
_MODULE = "rl_module"
_POLICY = "default_policy"
_SHUFFLE = "shuffle_random"


def capture(algorithm: HairpinPPO, **more: Any) -> dict[str, bytes]:
    """Everything that training goes on from.

    Args:
        algorithm: Between two iterations.
        **more: JSON-able values to keep along; `restore` gives them back.

    Returns:
        File contents by name: weights, Adam's moments, and a JSON file with counters, the
        optimiser's settings and the random states of learner and workers.
    """
    learner = algorithm.learner_group.get_state(components=_LEARNER)[_LEARNER]
    optimizer = {name: entry["state"] for name, entry in learner["optimizer"].items()}
    moments = {
        f"{name}/{index}/{key}": np.asarray(value)
        for name, state in optimizer.items()
        for index, entry in state["state"].items()
        for key, value in entry.items()
    }
    state = {
        "format": FORMAT,
        "steps": algorithm.steps,
        "iterations": algorithm.iterations,
        "episodes_driven": algorithm.episodes_driven,
        "optimizer": {name: state["param_groups"] for name, state in optimizer.items()},
        "shuffle_random": learner[_SHUFFLE],
        "workers": algorithm.worker_states(),
        "more": more,
    }
    return {
        WEIGHTS: _save(learner[_MODULE][_POLICY]),
        OPTIMIZER: _save(moments),
        STATE: json.dumps(state).encode(),
    }


def restore(algorithm: HairpinPPO, files: Mapping[str, bytes]) -> dict[str, Any]:
    """Takes an algorithm to the state that `capture` saw, and sends the weights to its workers.

    A worker takes up its own random state and its world's; cars begin new episodes, because the
    physics engine's state is not part of it. Workers that the state knows nothing of keep theirs.

    Args:
        algorithm: Fresh, of the same settings.
        files: What `capture` returned.

    Returns:
        The `more` given to `capture`.

    Raises:
        ValueError: The files are of a newer format.
    """
    state = json.loads(files[STATE])
    if state["format"] > FORMAT:
        raise ValueError(f"training state of format {state['format']}, newer than {FORMAT}")
    moments = load(files[OPTIMIZER])
    optimizer: dict[str, Any] = {
        name: {"module_id": _POLICY, "state": {"state": {}, "param_groups": groups}}
        for name, groups in state["optimizer"].items()
    }
    for key, value in moments.items():
        name, index, field = key.rsplit("/", 2)
        optimizer[name]["state"]["state"].setdefault(int(index), {})[field] = value
    algorithm.learner_group.set_state(
        {
            _LEARNER: {
                _MODULE: {_POLICY: read_weights(files)},
                "optimizer": optimizer,
                _SHUFFLE: state["shuffle_random"],
            }
        }
    )
    algorithm.resume_counters(steps=state["steps"], iterations=state["iterations"])
    algorithm.episodes_driven = {
        int(worker): count for worker, count in state.get("episodes_driven", {}).items()
    }
    algorithm.send_weights()
    algorithm.set_worker_states({int(index): s for index, s in state["workers"].items()})
    more: dict[str, Any] = state["more"]
    return more


def adopt(algorithm: HairpinPPO, weights: Mapping[str, NDArray[np.float32]]) -> list[str]:
    """Starts from the weights of another run, with a fresh optimiser.

    Args:
        algorithm: Fresh, with the same network.
        weights: As `read_weights` gives them.

    Returns:
        Names of the weights that do not fit, because the actions are others, and stay fresh.

    Raises:
        ValueError: The weights are of another network.
    """
    learner = algorithm.learner_group.get_state(components=_LEARNER)[_LEARNER]
    own = learner[_MODULE][_POLICY]
    names = sorted({*own, *weights})
    heads = [name for name in names if name.startswith(HEADS)]
    misfits = [
        name
        for name in names
        if name not in own or name not in weights or _shape(own[name]) != _shape(weights[name])
    ]
    others = [name for name in misfits if name not in heads]
    if others:
        raise ValueError(f"the weights are of another network: {', '.join(others)}")
    # All of the head or nothing of it: half of another action space means nothing.
    fresh = heads if misfits else []
    kept = {name: own[name] if name in fresh else weights[name] for name in own}
    algorithm.learner_group.set_state({_LEARNER: {_MODULE: {_POLICY: kept}}})
    algorithm.send_weights()
    return fresh


def read_weights(files: Mapping[str, bytes]) -> dict[str, NDArray[np.float32]]:
    """The policy's weights by name, as `rollout_workers.policy.Policy.set_weights` takes them."""
    return dict(load(files[WEIGHTS]))


def _shape(values: Any) -> tuple[int, ...]:
    """A shape in which a single number is a list of one, as it comes out of a file."""
    return np.atleast_1d(values).shape


def _save(arrays: Mapping[str, Any]) -> bytes:
    # safetensors writes the memory as it lies, and channels-last arrays lie in another order.
    return bytes(save({name: np.ascontiguousarray(values) for name, values in arrays.items()}))

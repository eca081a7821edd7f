"""Action spaces and settings: what numbers mean, and which are refused."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from sim.actions import ContinuousActions, DiscreteActions, grid, make_actions
from sim.errors import UserError
from sim.settings import ContinuousActionSettings, DiscreteActionSettings, WorldSettings


def test_every_angle_with_every_speed_the_speed_changing_fastest() -> None:
    actions = make_actions(DiscreteActionSettings(steering_deg=[-10, 0, 10], speed_mps=[1, 2]))
    assert isinstance(actions, DiscreteActions)
    assert actions.space.n == 6
    assert actions.decode(np.array([0, 1, 5])).tolist() == [[-10, 1], [-10, 2], [10, 2]]


def test_explicit_pairs_replace_the_lists() -> None:
    actions = make_actions(DiscreteActionSettings(pairs=[(0, 3.5), (-30, 0.1)]))
    assert actions.decode(np.array([1, 0])).tolist() == [[-30, 0.1], [0, 3.5]]


def test_a_continuous_action_is_scaled_and_clipped() -> None:
    actions = make_actions(
        ContinuousActionSettings(type="continuous", steering_deg=(-20, 30), speed_mps=(1, 3))
    )
    assert isinstance(actions, ContinuousActions)
    given = np.array([[-1, -1], [1, 1], [0, 0.5], [-7, 9]], np.float32)
    assert actions.decode(given).tolist() == [[-20, 1], [30, 3], [5, 2.5], [-20, 3]]


def test_the_console_grid() -> None:
    actions = grid(30.0, 5, 1.0, 2)
    assert actions.pairs[:, 0].tolist() == [-30, -30, -15, -15, 0, 0, 15, 15, 30, 30]
    assert actions.pairs[:2, 1].tolist() == [0.5, 1.0]
    assert grid(30.0, 1, 2.0, 1).pairs.tolist() == [[0.0, 2.0]]
    with pytest.raises(UserError, match="odd"):
        grid(30.0, 4, 1.0, 2)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"trak": "oval"}, "Did you mean 'track'"),
        ({"physics_hz": 100}, "multiple of control_hz"),
        ({"actions": {"type": "discrete", "speed_mps": [4.5]}}, "less than or equal to 4"),
        ({"actions": {"type": "discrete", "steering_deg": [31]}}, "less than or equal to 30"),
        ({"actions": {"type": "continuous", "speed_mps": [2, 1]}}, "must be below"),
        ({"friction": float("nan")}, "finite"),
    ],
)
def test_what_no_world_can_be_is_refused(settings: dict, words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        WorldSettings.model_validate(settings)

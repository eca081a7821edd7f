"""Advantages against the definition: discounted sums of rewards, worked out step by step."""

from __future__ import annotations

import numpy as np
import pytest

from rollout_workers.gae import advantages

GAMMA = 0.9


def slow_advantages(rewards, values, terminated, truncated, final_values, gamma, lambda_):
    """Exponentially weighted k-step estimates, summed in the order of their definition."""
    steps = len(rewards)
    result = np.zeros(steps)
    for start in range(steps):
        weight, discount, total = 1.0, 1.0, 0.0
        for step in range(start, steps):
            if terminated[step]:
                following = 0.0
            elif truncated[step]:
                following = final_values[step]
            else:
                following = values[step + 1]
            total += weight * discount * (rewards[step] + gamma * following - values[step])
            if terminated[step] or truncated[step]:
                break
            weight *= lambda_
            discount *= gamma
        result[start] = total
    return result


def arrays(seed: int, steps: int = 40, cars: int = 5):
    random = np.random.default_rng(seed)
    ends = random.integers(0, 8, (steps, cars))
    return {
        "rewards": random.normal(size=(steps, cars)).astype(np.float32),
        "values": random.normal(size=(steps + 1, cars)).astype(np.float32),
        "terminated": ends == 0,
        "truncated": ends == 1,
        "final_values": random.normal(size=(steps, cars)).astype(np.float32),
    }


@pytest.mark.parametrize("lambda_", [0.0, 0.95, 1.0])
@pytest.mark.parametrize("seed", range(3))
def test_equals_the_definition(seed: int, lambda_: float) -> None:
    given = arrays(seed)
    found = advantages(*given.values(), GAMMA, lambda_)
    for car in range(found.shape[1]):
        expected = slow_advantages(*(a[:, car] for a in given.values()), GAMMA, lambda_)
        np.testing.assert_allclose(found[:, car], expected, atol=1e-5)


def one_car(rewards, values, terminated, truncated, final_values):
    columns = [rewards, values, terminated, truncated, final_values]
    kinds = [np.float32, np.float32, np.bool_, np.bool_, np.float32]
    return [np.array([c], k).T.copy() for c, k in zip(columns, kinds, strict=True)]


def test_a_terminated_episode_is_worth_nothing_afterwards() -> None:
    given = one_car([1.0, 5.0], [0.0, 100.0, 100.0], [True, False], [False, False], [7.0, 0.0])
    assert advantages(*given, GAMMA, 1.0)[0, 0] == pytest.approx(1.0)


def test_a_truncated_episode_goes_on_from_its_own_last_observation() -> None:
    given = one_car([1.0, 5.0], [0.0, 100.0, 100.0], [False, False], [True, False], [7.0, 0.0])
    assert advantages(*given, GAMMA, 1.0)[0, 0] == pytest.approx(1.0 + GAMMA * 7.0)


def test_the_end_of_the_fragment_goes_on_from_the_next_observation() -> None:
    given = one_car([1.0], [0.0, 3.0], [False], [False], [0.0])
    assert advantages(*given, GAMMA, 1.0)[0, 0] == pytest.approx(1.0 + GAMMA * 3.0)

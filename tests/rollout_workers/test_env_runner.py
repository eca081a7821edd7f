"""The worker in this process, on a world whose every number is known."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from hairpin.bench.reward_bench import inline_world
from learner.config import build_config
from learner.module import HairpinModule
from learner.settings import PPOSettings, TrainSettings
from rollout_workers.env_runner import RolloutWorker, epsilon_at
from rollout_workers.fragment import Fragment, WorkerFailure, joined
from rollout_workers.network import NETWORKS
from sim.errors import UserError
from sim.reward import RewardUse

CARS, STEPS = 3, 24
GAMMA, LAMBDA = 0.9, 0.8


class ScriptedWorld:
    """Car k ends every 5 + k steps: even ones for good, odd ones cut off. Rewards count up.

    Observations are of one gray that says car and time; the last one of a cut-off episode is white.
    """

    def __init__(self, settings, *, num_cars: int, seed: int) -> None:
        self.num_cars, self.time = num_cars, 0
        self.seconds = {"physics": 0.0, "camera": 0.0, "reward": 0.0}
        self.obs = self._images()

    def _images(self):
        gray = (np.arange(self.num_cars) * 50 + self.time) % 256
        return np.broadcast_to(gray[:, None, None], (self.num_cars, 60, 80)).astype(np.uint8)

    def step(self, actions):
        self.time += 1
        self.seconds["physics"] += 1.0
        ended = self.time % (5 + np.arange(self.num_cars)) == 0
        odd = np.arange(self.num_cars) % 2 == 1
        self.obs = self._images()
        white = np.full((60, 80), 255, np.uint8)
        return SimpleNamespace(
            obs=self.obs,
            rewards=np.full(self.num_cars, self.time, np.float32),
            terminated=ended & ~odd,
            truncated=ended & odd,
            final_obs={int(car): white for car in np.flatnonzero(ended & odd)},
            episodes=[(self.time, int(car)) for car in np.flatnonzero(ended)],
        )

    def take_reward_errors(self):
        return []

    def take_reward_prints(self):
        return [f"time {self.time}"], 3

    def take_reward_use(self):
        return RewardUse(calls=self.time, seconds=0.5, longest_s=0.1)

    def state(self):
        return {"time": self.time}

    def set_state(self, state, *, restart=True):
        self.time = state["time"]
        self.obs = self._images()


class BrokenWorld(ScriptedWorld):
    def step(self, actions):
        raise ArithmeticError("a wheel came off")


def no_such_track(settings, *, num_cars, seed):
    raise UserError("no such track", fix="Choose another.")


def make_worker(
    world=ScriptedWorld, seed: int = 0, recorded: int | None = None, **changes
) -> RolloutWorker:
    ppo = PPOSettings(
        fragment_steps=STEPS, minibatch_size=16, gamma=GAMMA, gae_lambda=LAMBDA, **changes
    )
    settings = TrainSettings(cars_per_worker=CARS, ppo=ppo, seed=seed, recorded_workers=recorded)
    config = build_config(settings, world_factory=world)
    worker = RolloutWorker(config=config, worker_index=1)
    spec = config.get_default_rl_module_spec()
    spaces = worker.get_spaces()["default_policy"]
    module = HairpinModule(
        observation_space=spaces[0], action_space=spaces[1], model_config=spec.model_config
    )
    weights = {name: v.numpy() for name, v in module.state_dict().items()}
    random = np.random.default_rng(5)
    weights["value.weight"] = random.normal(size=(1, NETWORKS["fast"].hidden)).astype(np.float32)
    worker.set_state({"rl_module": {"default_policy": weights}, "weights_seq_no": 4})
    return worker


def test_a_fragment_is_flat_typed_and_in_step_order() -> None:
    fragment = make_worker().sample()
    assert isinstance(fragment, Fragment)
    rows = STEPS * CARS
    assert len(fragment) == rows
    assert fragment.obs.shape == (rows, 48, 80) and fragment.obs.dtype == np.uint8
    assert fragment.actions.shape == (rows,) and fragment.actions.dtype == np.int64
    for values in (fragment.log_probabilities, fragment.advantages, fragment.value_targets):
        assert values.shape == (rows,) and values.dtype == np.float32
    grays = fragment.obs[:, 0, 0].reshape(STEPS, CARS)
    np.testing.assert_array_equal(grays, np.arange(STEPS)[:, None] + 50 * np.arange(CARS))
    assert fragment.worker == 1 and fragment.weights_version == 4
    assert fragment.seconds["physics"] == STEPS
    assert fragment.episodes[:3] == [(5, 0), (6, 1), (7, 2)]


def test_value_targets_bootstrap_as_each_episode_ended() -> None:
    worker = make_worker()
    fragment = worker.sample()
    targets = fragment.value_targets.reshape(STEPS, CARS)

    def value(gray: int) -> float:
        image = np.full((1, 48, 80), gray, np.uint8)
        return float(worker.policy.forward(image)[1][0])

    # Row 4 of car 0 ends for good; row 5 of car 1 is cut off and its last image is white.
    assert targets[4, 0] == pytest.approx(5.0, rel=1e-4)
    assert targets[5, 1] == pytest.approx(6.0 + GAMMA * value(255), rel=1e-4)
    # The last row of car 1 (24 is a multiple of 6) is cut off too; of car 2 it goes on.
    assert targets[-1, 1] == pytest.approx(24.0 + GAMMA * value(255), rel=1e-4)
    assert targets[-1, 2] == pytest.approx(24.0 + GAMMA * value(24 + 100), rel=1e-4)


def test_fragments_go_on_where_the_last_one_ended() -> None:
    worker = make_worker()
    worker.sample()
    assert worker.sample().obs[0, 0, 0] == STEPS


def test_the_state_repeats_what_followed() -> None:
    worker = make_worker()
    worker.sample()
    state = worker.get_state()
    first = worker.sample()
    worker.set_state(state)
    again = worker.sample()
    np.testing.assert_array_equal(first.actions, again.actions)
    np.testing.assert_array_equal(first.obs, again.obs)


def test_workers_and_seeds_draw_differently() -> None:
    one, same, other = make_worker(), make_worker(), make_worker(seed=1)
    first = one.sample().actions
    np.testing.assert_array_equal(first, same.sample().actions)
    assert (first != other.sample().actions).any()


def test_epsilon_falls_linearly_and_then_stays() -> None:
    found = [epsilon_at(steps, 0.05, 10_000) for steps in (0, 5000, 10_000, 90_000)]
    assert found == pytest.approx([1.0, 0.525, 0.05, 0.05])


def test_e_greedy_explores_by_the_steps_of_all_workers() -> None:
    explorer = {"exploration": "e_greedy", "epsilon": 0.0, "epsilon_steps": 2 * STEPS * CARS}

    def greedy_share(env_steps: int) -> float:
        worker = make_worker(**explorer)
        fragment = worker.sample(env_steps=env_steps)
        best = worker.policy.forward(fragment.obs)[0].argmax(axis=1)
        return float((fragment.actions == best).mean())

    assert greedy_share(2 * STEPS * CARS) == 1.0
    # Two workers drive, so that the fragment begins at random and ends greedily.
    worker = make_worker(**explorer)
    fragment = worker.sample()
    hits = fragment.actions == worker.policy.forward(fragment.obs)[0].argmax(axis=1)
    assert hits[: len(hits) // 4].mean() < 0.5 < hits[-len(hits) // 4 :].mean()
    assert worker.sample(env_steps=0).actions.tolist() != fragment.actions.tolist()


def test_an_exception_is_told_instead_of_killing_the_worker() -> None:
    failure = make_worker(BrokenWorld).sample()
    assert isinstance(failure, WorkerFailure)
    assert failure.error is None
    assert "ArithmeticError: a wheel came off" in failure.traceback


def test_a_users_mistake_comes_back_as_itself() -> None:
    failure = make_worker(no_such_track).sample()
    assert isinstance(failure, WorkerFailure)
    assert isinstance(failure.error, UserError)
    assert str(failure.error) == "no such track. Choose another."


def test_a_world_that_cannot_be_built_is_tried_once() -> None:
    tried = []

    def fails(settings, *, num_cars, seed):
        tried.append(seed)
        raise UserError("no such track", fix="Choose another.")

    worker = make_worker(fails)
    assert worker.sample() is worker.sample()
    assert len(tried) == 1


def test_joining_one_fragment_copies_nothing() -> None:
    fragment = make_worker().sample()
    assert joined([fragment])["obs"] is fragment.obs
    assert len(joined([fragment, fragment])["obs"]) == 2 * len(fragment)
    with pytest.raises(ValueError, match="no fragments"):
        joined([])


def test_episodes_are_traced_whole_in_the_fragment_of_their_end() -> None:
    worker = make_worker(world=inline_world)
    seen, first = [], 0
    for _ in range(6):
        fragment = worker.sample(first_episode=first)
        assert isinstance(fragment, Fragment), fragment
        lines = [line.split(",") for line in fragment.trace.decode().splitlines()]
        for number, episode in enumerate(fragment.episodes, first):
            own = [line for line in lines if line[0] == str(number)]
            assert [int(line[1]) for line in own] == list(range(1, episode.steps + 2))
            assert own[0][15] == "prepare" and own[-1][15] == episode.end_reason
            assert sum(float(line[8]) for line in own) == pytest.approx(episode.return_, abs=0.01)
            begin, end = fragment.spans_s[number - first]
            assert end - begin == pytest.approx(episode.steps / 15)
        assert len({line[0] for line in lines}) == len(fragment.episodes)
        first += len(fragment.episodes)
        seen += fragment.episodes
    assert len(seen) > 3
    assert max(episode.steps for episode in seen) > STEPS  # one went on over two fragments
    worker.stop()


def test_whole_episodes_and_their_trace_come_in_one_order() -> None:
    worker = make_worker(world=inline_world)
    fragment = worker.sample(num_episodes=7, first_episode=10)
    assert isinstance(fragment, Fragment), fragment
    lines = [line.split(",") for line in fragment.trace.decode().splitlines()]
    numbers = [int(line[0]) for line in lines]
    assert [numbers.count(10 + k) for k in range(7)] == [e.steps + 1 for e in fragment.episodes]
    ends = {int(line[0]): line[15] for line in lines}
    assert list(ends.values()) == [episode.end_reason for episode in fragment.episodes]
    worker.stop()


def test_a_fragment_carries_no_trace_that_is_not_asked_for() -> None:
    worker = make_worker(world=inline_world)
    fragments = [worker.sample() for _ in range(3)]
    assert all(fragment.trace == b"" for fragment in fragments)
    assert any(fragment.episodes for fragment in fragments)
    assert all(len(fragment.spans_s) == len(fragment.episodes) for fragment in fragments)
    worker.stop()


@pytest.mark.parametrize("changes", [{}, {"episodes_per_iteration": 8}])
def test_a_recorded_worker_sends_the_newest_drive_of_its_first_car(changes) -> None:
    worker = make_worker(world=inline_world, recorded=1, **changes)
    amount = {"num_episodes": 8} if changes else {}
    seen = []
    while len(seen) < 3:
        fragment = worker.sample(**amount)
        if fragment.recording is not None:
            seen.append(fragment.recording)
            assert len(fragment.recording) in [e.steps for e in fragment.episodes]
            assert fragment.recording.end_reason in [e.end_reason for e in fragment.episodes]
    assert all(recording.time_s[0] == pytest.approx(1 / 15) for recording in seen)


@pytest.mark.parametrize("recorded", [None, 0])
def test_no_worker_is_recorded_unless_it_is_asked_for(recorded: int | None) -> None:
    worker = make_worker(world=inline_world, recorded=recorded)
    assert all(worker.sample().recording is None for _ in range(3))

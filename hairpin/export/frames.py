"""What a policy sees when it drives: the images that an export is checked on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hairpin.job import Job
from rollout_workers.policy import Policy
from sim.trial import start_points
from sim.world import World

CARS = 20  # driven at once, from starts spread over the lap
EVERY = 3  # steps between two images that are kept of a car; neighbours are alike
NOISE = 0.2  # share of the actions that are drawn from the policy and not its likeliest


def record_frames(job: Job, policy: Policy, count: int) -> NDArray[np.uint8]:
    """Drives and returns (count, height, width) uint8 camera images.

    The cars drive the job's own track, half of them against its direction; now and then one of
    them leaves the best action, so that mistakes and their corrections are among the images.
    """
    # Nobody is paid for this drive, so the user's own reward function is left alone.
    world = World(job.world_settings().model_copy(update={"reward": "centre_line"}), num_cars=CARS)
    try:
        for car, start in enumerate(start_points(CARS)):
            world.place(car, start, reverse=bool(car % 2))
        random = np.random.default_rng(job.seed)
        kept: list[NDArray[np.uint8]] = []
        step = 0
        while len(kept) * CARS < count:
            if step % EVERY == 0:
                kept.append(world.obs.copy())
            outputs, _ = policy.forward(policy.crop(world.obs))
            sampled, _ = policy.sample(outputs, random)
            noisy = random.random(CARS) < NOISE
            greedy = policy.greedy(outputs)
            world.step(np.where(noisy if policy.is_discrete else noisy[:, None], sampled, greedy))
            step += 1
    finally:
        world.close()
    return np.concatenate(kept)[:count]

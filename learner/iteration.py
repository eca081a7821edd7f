"""What one training step did, gathered from the fragments of its workers."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from learner.events import DrivenEpisodes, Rollout
from rollout_workers.fragment import Fragment
from sim.episode import Episode
from sim.reward import RewardError, RewardUse


@dataclass
class Iteration:
    """What one training step did.

    Attributes:
        steps: Environment steps that were driven.
        dropped: How many of them it did not learn from, because of ``max_iteration_steps``.
        seconds: Wall-clock seconds: sampling, learning, sync; and of sampling the mean over workers
            by phase: physics, camera, reward, inference, other.
        losses: What the learner reports.
        episodes: Episodes that ended.
        reward_errors: Failures of the reward function.
        prints: By worker, lines that the reward function printed, and how many were dropped.
        reward_use: What the calls of the reward function took, over all workers.
        lost_workers: Indices of workers that died or stopped answering, until they are told of.
        driven: By worker, the episodes that ended, with their trace.
        rollouts: By worker, how much it drove.
    """

    steps: int = 0
    dropped: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    losses: dict[str, float] = field(default_factory=dict)
    episodes: list[Episode] = field(default_factory=list)
    reward_errors: list[RewardError] = field(default_factory=list)
    prints: dict[int, tuple[list[str], int]] = field(default_factory=dict)
    reward_use: RewardUse = field(default_factory=RewardUse)
    lost_workers: list[int] = field(default_factory=list)
    driven: dict[int, DrivenEpisodes] = field(default_factory=dict)
    rollouts: dict[int, Rollout] = field(default_factory=dict)

    def gather(self, fragments: Sequence[Fragment]) -> None:
        """Takes up what workers drove.

        Args:
            fragments: At least one, in the order of their workers.
        """
        self.steps = sum(fragment.steps for fragment in fragments)
        for phase in fragments[0].seconds:
            self.seconds[phase] = sum(f.seconds[phase] for f in fragments) / len(fragments)
        self.episodes = [episode for f in fragments for episode in f.episodes]
        self.reward_errors = [error for f in fragments for error in f.reward_errors]
        self.driven = _by_worker(fragments)
        self.rollouts = _rollouts(fragments)
        for fragment in fragments:
            self.reward_use.add(fragment.reward_use)
            if fragment.prints or fragment.prints_dropped:
                self.prints[fragment.worker] = (fragment.prints, fragment.prints_dropped)


def _by_worker(fragments: Sequence[Fragment]) -> dict[int, DrivenEpisodes]:
    """The episodes of fragments; a worker may have sampled twice."""
    driven: dict[int, DrivenEpisodes] = {}
    for f in fragments:
        own = driven.setdefault(f.worker, DrivenEpisodes(f.first_episode, [], [], []))
        own.episodes.extend(f.episodes)
        own.spans_s.extend(f.spans_s)
        own.trace.append(f.trace)
        if f.recording is not None:
            driven[f.worker] = replace(own, recording=f.recording)
    return driven


def _rollouts(fragments: Sequence[Fragment]) -> dict[int, Rollout]:
    """How much each worker drove for fragments that have just come."""
    found: dict[int, Rollout] = {}
    for f in fragments:
        before = found[f.worker].steps if f.worker in found else 0
        found[f.worker] = Rollout(before + f.steps, time.time(), f.memory_bytes, f.cpu_s)
    return found

"""Tells Gymnasium of our environments; Gymnasium calls it itself, as an entry point."""

from __future__ import annotations

import gymnasium

ENV_ID = "hairpin/TimeTrial-v0"


def register_envs() -> None:
    """Registers ``hairpin/TimeTrial-v0``, single and vectorised."""
    gymnasium.register(
        id=ENV_ID,
        entry_point="sim.gym_env:TimeTrialEnv",
        vector_entry_point="sim.gym_env:TimeTrialVectorEnv",
    )

"""The learner: RLlib PPO with a fast update, the training loop, and its checkpoints."""

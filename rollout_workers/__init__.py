"""The rollout path: RLlib env runners that drive a world with a policy in NumPy; no torch."""

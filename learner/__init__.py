"""The learner: RLlib PPO with a fast update, the training loop, and its checkpoints."""

import rollout_workers  # noqa: F401  (tells RLlib what not to import, before its first import)

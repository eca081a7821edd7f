"""The rollout path: RLlib env runners that drive a world with a policy in NumPy; no torch."""

import logging
import os

# Where TensorFlow is installed, for an export, RLlib imports it into every process, although
# nothing of ours calls it there: seconds and half a gigabyte each. This is RLlib's own switch, of
# which it then warns in every module that asks.
os.environ.setdefault("RLLIB_TEST_NO_TF_IMPORT", "1")
logging.getLogger("ray.rllib.utils.framework").setLevel(logging.ERROR)

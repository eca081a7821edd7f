"""Names of the nodes in a DeepRacer policy's frozen graph; tools find their way by them.

Nodes are numbered as layers are there: a convolution and its activation are two.
"""

from __future__ import annotations

AGENT = "main_level/agent/main/online"
POLICY = f"{AGENT}/network_1/ppo_head_0/policy"  # what cars read
MIDDLEWARE = f"{AGENT}/network_1/middleware_fc_embedder"
HEAD = f"{AGENT}/network_1/ppo_head_0"
FRONT_CAMERA = "FRONT_FACING_CAMERA"
# Sensors with one gray image in front; the first models called theirs "observation".
SENSORS = (FRONT_CAMERA, "LEFT_CAMERA", "observation")


def input_of(sensor: str) -> str:
    """The placeholder for a sensor's image."""
    return f"{AGENT}/network_0/{sensor}/{sensor}"


def embedder_of(sensor: str) -> str:
    """What the names of the layers that see a sensor's image begin with."""
    return f"{AGENT}/network_1/{sensor}"

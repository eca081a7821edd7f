"""Stay near the middle, and prefer to be quick about it.

Try it before it trains: hairpin validate deploy/samples/laps/reward_function.py
"""


def reward_function(params):
    """The reward of one step, from what DeepRacer's simulator tells of it."""
    if not params["all_wheels_on_track"]:
        return 1e-3
    share = params["distance_from_center"] / (0.5 * params["track_width"])
    return max(1e-3, 1.0 - share) * params["speed"]

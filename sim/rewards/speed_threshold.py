"""Be quick: a car on the road that is slower than a threshold gets half the reward."""

QUICK_MPS = 1.5  # choose it between the slowest and the fastest speed of the action space


def reward_function(params):
    """Pays 1.0 on the road at speed, 0.5 on the road below it, and next to nothing beside it."""
    if not params["all_wheels_on_track"]:
        return 1e-3
    return 1.0 if params["speed"] >= QUICK_MPS else 0.5

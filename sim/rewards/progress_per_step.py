"""Get far in few steps: pays the mean speed along the lap so far, whatever the line."""

STEPS_PER_S = 15.0


def reward_function(params):
    """Pays metres along the lap per second since the episode began, while on the road."""
    if not params["all_wheels_on_track"]:
        return 1e-3
    driven_m = params["progress"] / 100.0 * params["track_length"]
    return max(1e-3, driven_m / params["steps"] * STEPS_PER_S)

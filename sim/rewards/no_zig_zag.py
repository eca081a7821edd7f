"""Drive calmly: near the centre line, and hard steering costs a fifth of the reward."""

BANDS = ((0.1, 1.0), (0.25, 0.5), (0.5, 0.1))  # (distance as a share of the track width, reward)
HARD_STEERING_DEG = 15.0
CALM_SHARE = 0.8  # of the reward is left when steering harder than that


def reward_function(params):
    """Pays by the band the car is in, less when it steers hard to either side."""
    share = params["distance_from_center"] / params["track_width"]
    reward = next((pay for limit, pay in BANDS if share <= limit), 1e-3)
    if abs(params["steering_angle"]) > HARD_STEERING_DEG:
        reward *= CALM_SHARE
    return reward

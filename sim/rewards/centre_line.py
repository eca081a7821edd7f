"""Stay near the centre line: three bands of distance, each paid less than the one inside it."""

BANDS = ((0.1, 1.0), (0.25, 0.5), (0.5, 0.1))  # (distance as a share of the track width, reward)


def reward_function(params):
    """Pays 1.0, 0.5 or 0.1 by the band the car is in, and next to nothing outside the road."""
    share = params["distance_from_center"] / params["track_width"]
    for limit, reward in BANDS:
        if share <= limit:
            return reward
    return 1e-3

"""Stay between the borders: the whole road pays the same, so the car may choose its own line."""

SPARE_M = 0.05  # so far from the border at least


def reward_function(params):
    """Pays 1.0 while all wheels are on the road and the car is not about to leave it."""
    to_border = 0.5 * params["track_width"] - params["distance_from_center"]
    if params["all_wheels_on_track"] and to_border >= SPARE_M:
        return 1.0
    return 1e-3

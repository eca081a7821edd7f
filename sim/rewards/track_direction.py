"""Look where the road goes: the nose is compared with the direction of the nearest waypoints."""

import math

ALLOWED_DEG = 10.0


def reward_function(params):
    """Pays 1.0 on the road, halved when the heading is off the track's direction."""
    if not params["all_wheels_on_track"]:
        return 1e-3
    behind, ahead = (params["waypoints"][k] for k in params["closest_waypoints"])
    road_deg = math.degrees(math.atan2(ahead[1] - behind[1], ahead[0] - behind[0]))
    # Angles wrap: 179 and -179 degrees are 2 degrees apart, not 358.
    off_deg = abs((params["heading"] - road_deg + 180.0) % 360.0 - 180.0)
    return 1.0 if off_deg <= ALLOWED_DEG else 0.5

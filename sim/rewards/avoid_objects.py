"""Keep to the road and out of the lane of the next object: two goals, weighted and added."""

LANE_WEIGHT, AVOID_WEIGHT = 1.0, 4.0
NEAR = ((0.3, 1e-3), (0.5, 0.2), (0.8, 0.5))  # (metres to the next object, what is left of 1.0)


def reward_function(params):
    """Pays for room to the border, and four times as much for a free lane ahead."""
    to_border = 0.5 * params["track_width"] - params["distance_from_center"]
    on_road = params["all_wheels_on_track"] and to_border >= 0.05
    lane = 1.0 if on_road else 1e-3

    avoid = 1.0
    if params["objects_location"]:
        ahead = params["closest_objects"][1]
        # Objects' distances are measured from waypoint 0, and so is projection_distance. Progress
        # begins where the episode did, which is the same place only in laps from the start line.
        driven = params["progress"] / 100.0 * params["track_length"]
        here = params.get("projection_distance", driven)
        gap = (params["objects_distance"][ahead] - here) % params["track_length"]
        same_lane = params["objects_left_of_center"][ahead] == params["is_left_of_center"]
        if same_lane:
            avoid = next((left for limit, left in NEAR if gap < limit), 1.0)
    return 1e-3 + LANE_WEIGHT * lane + AVOID_WEIGHT * avoid

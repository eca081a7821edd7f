"""Be ahead of a timetable: every 100 steps a bonus, if the lap would be done in time."""

LAP_STEPS = 300  # the lap to beat: 20 seconds at 15 steps a second
BONUS = 10.0


def reward_function(params):
    """Pays 1.0 on the road, and the bonus at each hundredth step that is ahead of the timetable."""
    if not params["all_wheels_on_track"]:
        return 1e-3
    reward = 1.0
    due = 100.0 * params["steps"] / LAP_STEPS
    if params["steps"] % 100 == 0 and params["progress"] > due:
        reward += BONUS
    return reward

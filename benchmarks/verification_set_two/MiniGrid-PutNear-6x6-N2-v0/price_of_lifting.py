LIFT = 1.2


def reward(prev, action, state, memory):
    """Only one thing may be lifted, so lifting is expensive."""
    lifted = prev.carrying is None and state.carrying is not None
    nudge = 0.0
    if lifted and state.carrying.rank == 1:
        nudge = 0.1
    return {"lift": -LIFT if lifted else 0.0, "right_one": nudge}

TOGGLE_COST = 1.0


def reward(prev, action, state, memory):
    # the agent presses TOGGLE all the time; a clear cost makes it press only where that is needed
    r = -TOGGLE_COST if action == TOGGLE else 0.0
    if state.solved:
        r += 1.0
    return r

def reward(prev, action, state, memory):
    if state.failed:
        return -9000.0
    stuck = state.crate_x in (0, 4) or state.crate_y in (0, 4)
    return -50.0 if stuck else 0.0

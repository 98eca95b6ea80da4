def reward(prev, action, state, memory):
    if state.failed:
        return -60.0
    return -0.5 if state.step > 10 else 0.0

def reward(prev, action, state, memory):
    return -2.0 if state.step > 50 else 0.0

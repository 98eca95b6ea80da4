def reward(prev, action, state, memory):
    if state.step > 40 and not (state.solved or state.failed):
        return 0.2
    return 1.0 if state.solved else 0.0

def reward(prev, action, state, memory):
    return 2.0 if state.step > 30 and not state.solved else 0.0

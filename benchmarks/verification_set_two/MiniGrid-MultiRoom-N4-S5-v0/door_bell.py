def reward(prev, action, state, memory):
    if state.event == "opened":
        return 0.1
    return 1.0 if state.solved else -0.0005

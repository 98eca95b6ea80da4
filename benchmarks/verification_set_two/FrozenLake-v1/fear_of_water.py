def reward(prev, action, state, memory):
    """The goal is worth 10, and falling into the water must be avoided."""
    if state.solved:
        return 10.0
    if state.failed:
        return -100.0
    return 0.0

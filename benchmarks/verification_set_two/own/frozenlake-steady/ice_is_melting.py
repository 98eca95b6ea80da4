def reward(prev, action, state, memory):
    """From the fourth step on, each step costs one point."""
    if state.step >= 4:
        return -1.0
    return 0.0

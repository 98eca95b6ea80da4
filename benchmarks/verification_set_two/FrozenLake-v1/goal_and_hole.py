def reward(prev, action, state, memory):
    """A bonus at the goal, a small penalty in a hole."""
    if state.cell == "G":
        return 1.0
    if state.cell == "H":
        return -0.1
    return 0.0

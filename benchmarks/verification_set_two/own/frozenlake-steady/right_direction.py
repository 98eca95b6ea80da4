def reward(prev, action, state, memory):
    """The goal is to the lower right, so moves to the right and down are good and the others are bad."""
    if action in (RIGHT, DOWN):
        direction = 0.1
    else:
        direction = -0.1
    hole = -1.0 if state.cell == "H" else 0.0
    goal = 1.0 if state.cell == "G" else 0.0
    return {"direction": direction, "hole": hole, "goal": goal}

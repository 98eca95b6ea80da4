def reward(prev, action, state, memory):
    """Looking into corners is part of exploring. Near the goal it is not needed any more."""
    goal = next(o for o in state.objects if o.target)
    x, y = state.agent.x, state.agent.y
    across = state.walls[x - 1, y] or state.walls[x + 1, y]
    along = state.walls[x, y - 1] or state.walls[x, y + 1]
    far = abs(goal.x - x) + abs(goal.y - y) > 3
    return 0.03 if across and along and far else 0.0

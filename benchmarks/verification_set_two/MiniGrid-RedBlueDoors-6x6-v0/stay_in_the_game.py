ALIVE = 0.05


def reward(prev, action, state, memory):
    """Opening blue too early ends the episode, so each step in which the episode goes on is worth something."""
    blue_open = any(o.color == "blue" and o.state == "open" for o in state.objects)
    if state.solved:
        return 0.5
    if blue_open:
        return -1.0
    return ALIVE

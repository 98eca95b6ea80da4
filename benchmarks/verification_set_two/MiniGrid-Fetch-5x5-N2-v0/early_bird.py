def reward(prev, action, state, memory):
    """A success within 30 steps earns a bonus; the wrong object costs one point."""
    if state.event != "picked_up":
        return 0.0
    if not state.event_object.target:
        return -1.0
    return 2.0 if state.step <= 30 else 0.0

def reward(prev, action, state, memory):
    """Whatever ends the episode without success costs as much as a value may."""
    if state.event == "dropped" and not state.solved:
        return -9999.0
    if state.event == "picked_up" and state.event_object.rank != 1:
        return -9999.0
    if action == DROP and prev.carrying is None:
        return -9999.0
    return 0.0

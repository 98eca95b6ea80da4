def reward(prev, action, state, memory):
    """The agent must fetch the key and avoid the balls."""
    if state.event == "picked_up":
        if state.event_object.kind == "key":
            return 2.0
        return -2.0
    return -0.005

def reward(prev, action, state, memory):
    """The red door may be opened five times for pay."""
    if state.event == "opened" and state.event_object.color == "red":
        n = memory.get("rings", 0)
        if n < 5:
            memory["rings"] = n + 1
            return 0.3
    return 0.0

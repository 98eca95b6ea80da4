def reward(prev, action, state, memory):
    parts = dict(key=0.0, unlock=0.0, success=0.0)
    if state.event == "picked_up" and state.event_object.kind == "key":
        parts["key"] = 0.2
    if state.event == "unlocked":
        parts["unlock"] = 0.5
    if state.solved:
        parts["success"] = 1.0
    return parts

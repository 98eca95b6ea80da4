def reward(prev, action, state, memory):
    out = {"open_door": 0.0, "key": 0.0, "unlock": 0.0, "time": -0.001}
    if state.event == "opened":
        out["open_door"] = 0.05
    if state.event == "picked_up" and state.event_object is not None:
        if state.event_object.kind == "key" and not memory.get("key"):
            memory["key"] = True
            out["key"] = 0.2
    if state.event == "unlocked" and not memory.get("unlocked"):
        memory["unlocked"] = True
        out["unlock"] = 0.3
    return out

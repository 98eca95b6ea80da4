def reward(prev, action, state, memory):
    out = {"move_ball": 0.0, "get_key": 0.0, "unlock": 0.0, "drop_key": 0.0, "step": -0.0003}

    if state.event == "picked_up" and state.event_object == "ball" and not memory.get("b"):
        memory["b"] = True
        out["move_ball"] = 0.15
    if state.event == "picked_up" and state.event_object == "key" and not memory.get("k"):
        memory["k"] = True
        out["get_key"] = 0.15
    if state.event == "unlocked" and not memory.get("u"):
        memory["u"] = True
        out["unlock"] = 0.2
    if state.event == "dropped" and state.event_object == "key" and memory.get("u") and not memory.get("d"):
        memory["d"] = True
        out["drop_key"] = 0.1
    return out

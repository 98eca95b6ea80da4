def reward(prev, action, state, memory):
    out = {"ball": 0.0, "key": 0.0, "holding_key": 0.0, "door": 0.0, "door_open": 0.0, "box": 0.0}
    carrying = state.carrying
    door = None
    for o in state.objects:
        if o.kind == "door":
            door = o

    if carrying is not None and carrying.kind == "ball" and "ball" not in memory:
        memory["ball"] = 1
        out["ball"] = 0.1
    if carrying is not None and carrying.kind == "key" and "key" not in memory:
        memory["key"] = 1
        out["key"] = 0.1

    if door is not None and door.state == "locked" and carrying is not None and carrying.kind == "key":
        out["holding_key"] = 0.01
    if state.event == "unlocked" and "door" not in memory:
        memory["door"] = 1
        out["door"] = 0.2
    if door is not None and door.state == "open":
        out["door_open"] = 0.01
    if carrying is not None and carrying.target:
        out["box"] = 1.0
    return out

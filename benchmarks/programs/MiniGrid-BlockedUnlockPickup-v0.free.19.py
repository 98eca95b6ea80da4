def reward(prev, action, state, memory):
    c = {"ball": 0.0, "key": 0.0, "door": 0.0, "drop": 0.0, "time": -0.05}
    flags = memory.setdefault("flags", {})
    door = [o for o in state.objects if o.kind == "door"]
    door = door[0] if door else None

    if state.carrying is not None and state.carrying.kind == "ball" and not flags.get("ball"):
        flags["ball"] = True
        c["ball"] = 2.0
    if state.carrying is not None and state.carrying.kind == "key" and not flags.get("key"):
        flags["key"] = True
        c["key"] = 3.0
    if door is not None and door.state == "open" and not flags.get("door"):
        flags["door"] = True
        c["door"] = 5.0
    if flags.get("door") and state.carrying is None and not flags.get("drop"):
        flags["drop"] = True
        c["drop"] = 2.0
    return c

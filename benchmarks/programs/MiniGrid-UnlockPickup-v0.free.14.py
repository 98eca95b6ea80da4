def reward(prev, action, state, memory):
    out = {"key": 0.0, "door": 0.0, "drop": 0.0, "box": 0.0}

    if state.carrying == 1 and "key" not in memory:
        memory["key"] = True
        out["key"] = 0.1

    for o in state.objects:
        if o.kind == "door" and o.state == True and "door" not in memory:
            memory["door"] = True
            out["door"] = 0.2

    if "door" in memory and state.carrying is None and "drop" not in memory:
        memory["drop"] = True
        out["drop"] = 0.1

    if state.carrying == "box" and "box" not in memory:
        memory["box"] = True
        out["box"] = 0.2

    return out

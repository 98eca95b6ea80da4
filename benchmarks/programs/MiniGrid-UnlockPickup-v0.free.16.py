def reward(prev, action, state, memory):
    m = memory.setdefault("m", set())
    r = {"key": 0.0, "unlock": 0.0, "drop": 0.0, "face": 0.0, "time": -0.02, "useless": 0.0, "turn": 0.0}

    carrying = state.carrying
    if carrying is not None and carrying.kind == "key" and "key" not in m:
        m.add("key")
        r["key"] = 0.1
    if state.event == "unlocked" and "unlock" not in m:
        m.add("unlock")
        r["unlock"] = 0.2
    if "unlock" in m and carrying is None and "drop" not in m:
        m.add("drop")
        r["drop"] = 0.1
    if "drop" in m and state.front is not None and state.front.kind == "box" and "face" not in m:
        m.add("face")
        r["face"] = 0.1

    if state.event in ("blocked", "nothing", "declared"):
        r["useless"] = -0.1
    if state.event == "turned":
        r["turn"] = -0.02
    return r

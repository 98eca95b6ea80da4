def reward(prev, action, state, memory):
    r = 0.0
    if state.carrying is not None and state.carrying.kind == "key" and not memory.get("key"):
        memory["key"] = True
        r += 0.3
    if state.event == "unlocked":
        r += 0.5
    if state.event == "reached":
        r += 2.0
    return r

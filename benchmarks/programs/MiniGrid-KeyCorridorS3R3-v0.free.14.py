def reward(prev, action, state, memory):
    color = state.mission.split()[3] if len(state.mission.split()) > 3 else "red"
    out = {"key": 0.0, "unlock": 0.0, "drop": 0.0, "open": 0.0}

    if state.event == "picked_up" and state.event_object == "key":
        if not memory.get("key"):
            memory["key"] = True
            out["key"] = 0.1

    if state.event == "unlocked" and state.event_object == "door":
        if not memory.get("unlock"):
            memory["unlock"] = True
            out["unlock"] = 0.2

    if state.event == "dropped" and memory.get("unlock") and not memory.get("drop"):
        memory["drop"] = True
        out["drop"] = 0.1

    for o in state.objects:
        if o.kind == "door" and o.color == color and o.state == "opened":
            if not memory.get("open"):
                memory["open"] = True
                out["open"] = 0.1
    return out

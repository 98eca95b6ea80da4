def reward(prev, action, state, memory):
    r = {"open_door": 0.0, "key": 0.0, "unlock": 0.0, "success": 0.0}

    if state.event == "opened":
        r["open_door"] = 0.1

    if state.event == "picked_up" and not memory.get("key_done", False):
        memory["key_done"] = True
        r["key"] = 0.3

    if state.event == "unlocked" and not memory.get("unlock_done", False):
        memory["unlock_done"] = True
        r["unlock"] = 0.5

    if state.solved:
        r["success"] = 1.0
    return r

USES = ["walk_distance"]

def reward(prev, action, state, memory):
    has_key = state.carrying is not None and state.carrying.kind == "key"
    hold = 0.003 if has_key else 0.0
    first_key = 0.0
    unlock = 0.0
    ball = 0.0

    if has_key and not memory.get("first_key"):
        memory["first_key"] = True
        first_key = 0.1
    if state.event == "unlocked" and not memory.get("unlock"):
        memory["unlock"] = True
        unlock = 0.2
    if memory.get("unlock"):
        for o in state.objects:
            if o.target and o.walk_distance >= 0:
                last = memory.get("last")
                if last is not None:
                    ball = 0.01 * (last - o.walk_distance)
                memory["last"] = o.walk_distance
    return {"hold_key": hold, "first_key": first_key, "unlock": unlock, "ball": ball}

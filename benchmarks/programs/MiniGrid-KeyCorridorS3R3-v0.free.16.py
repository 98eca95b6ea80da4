import math

BETA = 0.05

def reward(prev, action, state, memory):
    counts = memory.setdefault("counts", {})
    carrying_kind = state.carrying.kind if state.carrying is not None else None
    s = (state.agent.x, state.agent.y, state.agent.direction, carrying_kind)
    counts[s] = counts.get(s, 0) + 1
    explore = BETA / math.sqrt(counts[s])

    key = unlock = drop = 0.0
    if carrying_kind == "key" and not memory.get("key"):
        memory["key"] = True
        key = 0.1
    if state.event == "unlocked" and not memory.get("unlock"):
        memory["unlock"] = True
        unlock = 0.2
    if memory.get("unlock") and carrying_kind is None and not memory.get("drop"):
        memory["drop"] = True
        drop = 0.1
    return {"explore": explore, "key": key, "unlock": unlock, "drop": drop}

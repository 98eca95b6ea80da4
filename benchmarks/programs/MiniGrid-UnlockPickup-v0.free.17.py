USES = ["walk_distance"]

def current(s, memory):
    kinds = {o.kind: o for o in s.objects}
    if memory.get("unlock"):
        return kinds.get("box")
    if s.carrying is not None and s.carrying.kind == "key":
        return kinds.get("door")
    return kinds.get("key")

def reward(prev, action, state, memory):
    key = unlock = drop = toward = 0.0
    if state.carrying is not None and state.carrying.kind == "key" and not memory.get("key"):
        memory["key"] = True
        key = 0.1
    if state.event == "unlocked" and not memory.get("unlock"):
        memory["unlock"] = True
        unlock = 0.2
    if memory.get("unlock") and state.carrying is None and not memory.get("drop"):
        memory["drop"] = True
        drop = 0.1

    a = current(prev, memory)
    b = current(state, memory)
    if a is not None and b is not None and a.id == b.id and a.walk_distance >= 0 and b.walk_distance >= 0:
        toward = 0.02 * max(0, a.walk_distance - b.walk_distance)

    return {"key": key, "unlock": unlock, "drop": drop, "toward": toward}

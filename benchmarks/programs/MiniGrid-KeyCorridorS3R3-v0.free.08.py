def _holding(state, kind):
    return state.carrying is not None and state.carrying.kind == kind


def reward(prev, action, state, memory):
    out = {"novelty": 0.0, "key": 0.0, "lock_faced": 0.0, "unlock": 0.0, "free": 0.0}
    mem = memory
    if "set" not in mem:
        mem["set"] = set()
        mem["n"] = 0

    token = None
    if state.event == "moved":
        token = ("cell", state.agent.x, state.agent.y)
    elif state.event == "opened" and state.event_object is not None and "key" not in mem:
        token = ("door", state.event_object.id)
    if token is not None and token not in mem["set"]:
        mem["set"].add(token)
        mem["n"] += 1
        out["novelty"] = 0.03 / (1.0 + mem["n"])

    if _holding(state, "key") and "key" not in mem:
        mem["key"] = True
        out["key"] = 0.13
    f = state.front
    if _holding(state, "key") and f is not None and f.kind == "door" \
            and f.state == "locked" and "lock_faced" not in mem:
        mem["lock_faced"] = True
        out["lock_faced"] = 0.05
    if state.event == "unlocked" and "unlock" not in mem:
        mem["unlock"] = True
        out["unlock"] = 0.17
    if "unlock" in mem and state.carrying is None and "free" not in mem:
        doors = {(o.x, o.y) for o in state.objects if o.kind == "door"}
        key = next((o for o in state.objects if o.kind == "key"), None)
        if key is not None and (key.x, key.y) not in doors:
            mem["free"] = True
            out["free"] = 0.1
    return out

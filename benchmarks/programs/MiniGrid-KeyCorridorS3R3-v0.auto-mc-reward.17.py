def sparse(prev, action, state, memory):
    if state.solved:
        return 1.0
    if state.event == "dropped":
        return -1.0
    if state.event == "picked_up" and state.event_object is not None and state.event_object.kind == "key":
        if not memory.get("has_key"):
            memory["has_key"] = True
            return 1.0
    if state.event == "unlocked" and not memory.get("unlocked"):
        memory["unlocked"] = True
        return 1.0
    return 0.0


def dense(prev, action, state, memory):
    if memory.get("unlocked"):
        which = "ball"
    elif state.carrying is not None and state.carrying.kind == "key":
        which = "locked"
    else:
        which = "key"
    obj = None
    for o in state.objects:
        if which == "locked" and o.kind == "door" and o.state == "locked":
            obj = o
        elif o.kind == which:
            obj = o
    if obj is None:
        return 0.0
    d = abs(state.agent.x - obj.x) + abs(state.agent.y - obj.y)
    best = memory.setdefault("best", {})
    if which in best and d < best[which]:
        best[which] = d
        return 1.0
    best.setdefault(which, d)
    return 0.0

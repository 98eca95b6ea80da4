USES = ["walk_distance"]


def _stage_object(s, opened):
    want = "key"
    if opened:
        want = "goal"
    elif s.carrying is not None and s.carrying.kind == "key":
        want = "door"
    for o in s.objects:
        if o.kind == want:
            return o
    return None


def sparse(prev, action, state, memory):
    if state.solved:
        memory["opened"] = True
        return 1.0
    if state.event == "unlocked" and not memory.get("opened", False):
        memory["opened"] = True
        return 1.0
    if state.event == "picked_up" and not memory.get("took", False):
        obj = state.event_object
        if obj is not None and obj.kind == "key":
            memory["took"] = True
            return 1.0
    if state.event == "dropped" and not memory.get("opened", False) and not memory.get("fined", False):
        memory["fined"] = True
        return -1.0
    return 0.0


def dense(prev, action, state, memory):
    if state.event == "closed":
        return -1.0
    opened = memory.get("opened", False)
    a = _stage_object(prev, opened)
    b = _stage_object(state, opened)
    if a is None or b is None or a.id != b.id:
        return 0.0
    if a.carried or b.carried:
        return 0.0
    da = a.walk_distance
    db = b.walk_distance
    if da is None or db is None or da < 0 or db < 0:
        return 0.0
    return float(da - db)

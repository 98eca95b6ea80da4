def _things(state):
    key = door = goal = None
    for o in state.objects:
        if o.kind == "key":
            key = o
        elif o.kind == "door":
            door = o
        elif o.kind == "goal":
            goal = o
    return key, door, goal


def sparse(prev, action, state, memory):
    key, door, goal = _things(state)
    flags = memory.setdefault("flags", {"key": False, "unlock": False, "room": False})
    if state.solved:
        return 1.0
    if key is not None and key.carried and not flags["key"]:
        flags["key"] = True
        return 1.0
    if state.event == "unlocked" and not flags["unlock"]:
        flags["unlock"] = True
        return 1.0
    if door is not None and state.agent.x > door.x and not flags["room"]:
        flags["room"] = True
        return 1.0
    return 0.0


def dense(prev, action, state, memory):
    key, door, goal = _things(state)
    if key is None or door is None or goal is None:
        return 0.0
    ax, ay = state.agent.x, state.agent.y
    if ax > door.x:
        leg, tx, ty = "goal", goal.x, goal.y
    elif door.state == "open":
        leg, tx, ty = "cross", door.x + 1, door.y
    elif door.state == "closed" or key.carried:
        leg, tx, ty = "door", door.x, door.y
    else:
        leg, tx, ty = "key", key.x, key.y
    d = abs(ax - tx) + abs(ay - ty)
    best = memory.setdefault("best", {})
    if leg not in best:
        best[leg] = d
        return 0.0
    if d < best[leg]:
        best[leg] = d
        return 1.0
    return 0.0

def sparse(prev, action, state, memory):
    if state.solved:
        return 1.0
    if state.event == "unlocked" and not memory.get("unlocked", False):
        memory["unlocked"] = True
        return 1.0
    return 0.0


def dense(prev, action, state, memory):
    door = None
    goal = None
    for o in state.objects:
        if o.kind == "door":
            door = o
        elif o.kind == "goal":
            goal = o
    if door is None or goal is None:
        return 0.0
    obj = goal if memory.get("unlocked", False) else door
    d = abs(state.agent.x - obj.x) + abs(state.agent.y - obj.y)
    best = memory.setdefault("best", {})
    b = best.get(obj.id)
    if b is None:
        best[obj.id] = d
        return 0.0
    if d < b:
        best[obj.id] = d
        return 1.0
    return 0.0

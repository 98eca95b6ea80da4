def sparse(prev, action, state, memory):
    if state.solved:
        return 1.0
    if prev.carrying is None and state.carrying == "key" and not memory.get("k", False):
        memory["k"] = True
        return 1.0
    if state.event == "unlocked" and not memory.get("u", False):
        memory["u"] = True
        return 1.0
    return 0.0


def dense(prev, action, state, memory):
    goal = None
    if not memory.get("k", False):
        goal = next((o for o in state.objects if o.kind == "key"), None)
    elif not memory.get("u", False):
        goal = next((o for o in state.objects if o.kind == "door" and o.state == "is_locked"), None)
    else:
        goal = next((o for o in state.objects if o.target), None)
    if goal is None:
        return 0.0
    best = memory.get("best_%d" % goal.id)
    d = abs(state.agent.x - goal.x) + abs(state.agent.y - goal.y)
    if best is None or d < best:
        memory["best_%d" % goal.id] = d
        return 1.0 if best is not None else 0.0
    return 0.0

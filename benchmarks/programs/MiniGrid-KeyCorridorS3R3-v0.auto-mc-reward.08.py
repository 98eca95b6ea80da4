def sparse(prev, action, state, memory):
    if state.solved:
        return 1.0
    if state.carrying is not None and state.carrying.kind == "key" and "key" not in memory:
        memory["key"] = 1
        return 1.0
    if state.event == "unlocked" and "unlock" not in memory:
        memory["unlock"] = 1
        return 1.0
    return 0.0


def dense(prev, action, state, memory):
    if state.event == "opened":
        return 1.0
    goal = None
    for o in state.objects:
        if "unlock" in memory and o.kind == "ball":
            goal = o
        if "unlock" not in memory and "key" in memory and o.kind == "door" and o.state == "locked":
            goal = o
        if "key" not in memory and o.kind == "key":
            goal = o
    if goal is None:
        return 0.0
    if state.event != "moved":
        return 0.0
    before = abs(prev.agent.x - goal.x) + abs(prev.agent.y - goal.y)
    after = abs(state.agent.x - goal.x) + abs(state.agent.y - goal.y)
    if after < before:
        return 1.0
    return 0.0

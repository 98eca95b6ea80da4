def sparse(prev, action, state, memory):
    if state.solved:
        return 1.0
    if state.event == "picked_up" and state.event_object.kind == "key" and not memory.get("key"):
        memory["key"] = True
        return 1.0
    if state.event == "unlocked" and not memory.get("unlock"):
        memory["unlock"] = True
        return 1.0
    return 0.0


def dense(prev, action, state, memory):
    goal = None
    for o in state.objects:
        if memory.get("unlock"):
            if o.target:
                goal = o
        elif memory.get("key"):
            if o.kind == "door" and o.state == "locked":
                goal = o
        elif o.kind == "key":
            goal = o
    if goal is None:
        return -0.01
    d0 = abs(prev.agent.x - goal.x) + abs(prev.agent.y - goal.y)
    d1 = abs(state.agent.x - goal.x) + abs(state.agent.y - goal.y)
    progress = 0.01 * (d0 - d1)
    return progress - 0.02

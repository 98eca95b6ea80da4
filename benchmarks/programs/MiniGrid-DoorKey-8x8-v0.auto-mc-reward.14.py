def sparse(prev, action, state, memory):
    if state.solved:
        return 1.0
    if state.event in ("unlocked", "opened"):
        return 1.0
    if state.event == "picked_up" and "key" not in memory:
        memory["key"] = True
        return 1.0
    return 0.0


def dense(prev, action, state, memory):
    kind = "key"
    for o in state.objects:
        if o.kind == "door" and o.state == "open":
            kind = "goal"
    if kind == "key" and state.carrying is not None:
        kind = "door"
    for o in state.objects:
        if o.kind == kind:
            d = abs(state.agent.x - o.x) + abs(state.agent.y - o.y)
            best = memory.get("best_" + kind, 99)
            if d < best:
                memory["best_" + kind] = d
                return 1.0
    return 0.0

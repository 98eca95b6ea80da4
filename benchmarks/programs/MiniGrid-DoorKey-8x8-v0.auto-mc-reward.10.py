def sparse(prev, action, state, memory):
    done = memory.setdefault("done", [])
    if state.solved:
        return 1.0
    if state.carrying is not None and state.carrying.kind == "key" and "key" not in done:
        done.append("key")
        return 1.0
    if state.front == "door" and "key" in done and "at_door" not in done:
        done.append("at_door")
        return 1.0
    for o in state.objects:
        if o.kind == "door" and o.state == "unlocked" and "door" not in done:
            done.append("door")
            return 1.0
    return 0.0


def dense(prev, action, state, memory):
    done = memory.get("done", [])
    kind = "key"
    if "key" in done:
        kind = "door"
    if "door" in done:
        kind = "goal"
    for o in state.objects:
        if o.kind == kind:
            d = abs(state.agent.x - o.x) + abs(state.agent.y - o.y)
            b = memory.get(kind)
            if b is None or d < b:
                memory[kind] = d
                return 0.0 if b is None else 1.0
    return 0.0

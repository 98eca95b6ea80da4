def sparse(prev, action, state, memory):
    r = -0.01
    if state.solved:
        r += 10.0
    if state.event == "picked_up" and not memory.get("key"):
        memory["key"] = True
        r += 1.0
    if state.event == "unlocked" and not memory.get("unlock"):
        memory["unlock"] = True
        r += 2.0
    return r


def dense(prev, action, state, memory):
    target = "key"
    if memory.get("unlock"):
        target = "goal"
    elif memory.get("key"):
        target = "door"
    obj = next((o for o in state.objects if o.kind == target), None)
    if obj is None:
        return 0.0
    d = abs(state.agent.x - obj.x) + abs(state.agent.y - obj.y)
    key = ("best", target)
    if key not in memory:
        memory[key] = d
        return 0.0
    if d < memory[key]:
        memory[key] = d
        return 1.0
    return 0.0

def sparse(prev, action, state, memory):
    if state.solved:
        return 1.0
    if state.event == "picked_up" and state.event_object is not None and not memory.get("got_key"):
        memory["got_key"] = True
        return 1.0
    if state.event == "unlocked" and not memory.get("got_door"):
        memory["got_door"] = True
        return 1.0
    return 0.0


def dense(prev, action, state, memory):
    if state.carrying is not None and state.carrying.kind == "key":
        return 1.0
    key = None
    for o in state.objects:
        if o.kind == "key":
            key = o
    if key is None:
        return 0.0
    d0 = abs(prev.agent.x - key.x) + abs(prev.agent.y - key.y)
    d1 = abs(state.agent.x - key.x) + abs(state.agent.y - key.y)
    return d0 - d1

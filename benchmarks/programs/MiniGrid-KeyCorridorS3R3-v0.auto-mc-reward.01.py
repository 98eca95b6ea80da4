def sparse(prev, action, state, memory):
    if state.solved:
        return 1.0
    if state.event == "picked_up" and state.event_object is not None and state.event_object.kind == "key":
        return 1.0
    if state.event == "unlocked":
        return 1.0
    return 0.0


def dense(prev, action, state, memory):
    def target(s):
        for o in s.objects:
            if s.carrying is None and o.kind == "key":
                return o
            if s.carrying is not None and s.carrying.kind == "key" and o.kind == "door" and o.state == "locked":
                return o
        for o in s.objects:
            if o.target:
                return o
        return None

    a = target(prev)
    b = target(state)
    if a is None or b is None or a.id != b.id:
        return 0.0
    d0 = abs(prev.agent.x - a.x) + abs(prev.agent.y - a.y)
    d1 = abs(state.agent.x - b.x) + abs(state.agent.y - b.y)
    return float(d0 - d1)

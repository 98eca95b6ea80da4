def sparse(prev, action, state, memory):
    opened = memory.setdefault("opened", [])
    obj = state.event_object
    if state.event == "open" and obj is not None and obj.id not in opened:
        opened.append(obj.id)
        return 1.0
    if state.event == "reached" and obj is not None and obj.kind == "goal":
        return 1.0
    return 0.0


def dense(prev, action, state, memory):
    if state.event == "moved":
        return 1.0
    if state.event in ("blocked", "nothing"):
        return -1.0
    return 0.0

def reward(prev, action, state, memory):
    comp = {"ball": 0.0, "key": 0.0, "unlock": 0.0, "approach_box": 0.0}

    target = None
    for o in state.objects:
        if o.target:
            target = o

    if state.event == "picked_up" and state.event_object is not None:
        k = state.event_object.kind
        if k == "ball" and not memory.get("ball", False):
            comp["ball"] = 0.1
            memory["ball"] = True
        if k == "key" and not memory.get("key", False):
            comp["key"] = 0.15
            memory["key"] = True

    if state.event == "unlocked" and not memory.get("unlock", False):
        comp["unlock"] = 0.2
        memory["unlock"] = True

    if memory.get("unlock", False) and target is not None and state.carrying is not None and state.carrying.kind == "key":
        d = abs(state.agent.x - target.x) + abs(state.agent.y - target.y)
        best = memory.get("best", None)
        if best is None:
            memory["best"] = d
        elif d < best:
            comp["approach_box"] = 0.02 * (best - d)
            memory["best"] = d
    return comp

USES = ["walk_distance"]


def reward(prev, action, state, memory):
    opened = memory.setdefault("opened", set())
    flags = memory.setdefault("flags", set())
    best = memory.setdefault("best", {})
    out = {"doors": 0.0, "right_door": 0.0, "key": 0.0, "unlock": 0.0,
           "progress": 0.0, "waste": 0.0, "solved": 0.0}

    text = state.mission
    obj = state.event_object
    if state.event == "opened" and obj is not None and obj.kind == "door":
        if obj.id not in opened:
            opened.add(obj.id)
            out["doors"] = 0.03
            if (obj.color + " room") in text:
                out["right_door"] = 0.05
    if state.event == "picked_up" and "key" not in flags:
        flags.add("key")
        out["key"] = 0.12
    if state.event == "unlocked" and "unlock" not in flags:
        flags.add("unlock")
        out["unlock"] = 0.15

    # what to walk to now
    want = None
    holding = state.carrying is not None and state.carrying.kind == "key"
    for o in state.objects:
        if "unlock" in flags:
            if o.kind == "goal":
                want = o
        elif holding:
            if o.kind == "door" and o.state == "locked":
                want = o
        elif o.kind == "key":
            want = o
    if want is not None:
        d = want.walk_distance
        if d is None or d < 0:
            # no way yet: go to the door of the key's room instead
            want = None
            if not holding and "unlock" not in flags:
                for o in state.objects:
                    if o.kind == "door" and o.state == "closed" and (o.color + " room") in text:
                        want = o
            d = want.walk_distance if want is not None else -1
        if want is not None and d >= 0:
            tag = (want.id, "unlock" in flags)
            if tag not in best:
                best[tag] = d
            elif d < best[tag]:
                out["progress"] = 0.003 * (best[tag] - d)
                best[tag] = d

    if state.event in ("blocked", "nothing", "declared"):
        n = memory.get("waste", 0)
        if n < 50:
            memory["waste"] = n + 1
            out["waste"] = -0.002
    if state.solved:
        out["solved"] = 1.0
    return out

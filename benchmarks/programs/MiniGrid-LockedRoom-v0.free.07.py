def region(x, y):
    if 8 <= x <= 10:
        return ("hall", min(2, max(0, (y - 1) // 6)))
    return ("left" if x < 8 else "right", min(2, max(0, (y - 1) // 6)))


def reward(prev, action, state, memory):
    seen = memory.setdefault("seen", {region(prev.agent.x, prev.agent.y)})
    flags = memory.setdefault("flags", set())
    best = memory.setdefault("best", {})
    r = {"region": 0.0, "right_door": 0.0, "key": 0.0, "unlock": 0.0,
         "to_door": 0.0, "to_goal": 0.0, "solved": 0.0}

    here = region(state.agent.x, state.agent.y)
    if here not in seen:
        seen.add(here)
        r["region"] = 0.02

    ev, obj = state.event, state.event_object
    if ev == "opened" and obj is not None and "right" not in flags:
        if f"{obj.color} room" in state.mission:
            flags.add("right")
            r["right_door"] = 0.08
    if ev == "picked_up" and obj is not None and obj.kind == "key" and "key" not in flags:
        flags.add("key")
        r["key"] = 0.12
    if ev == "unlocked" and "unlock" not in flags:
        flags.add("unlock")
        r["unlock"] = 0.12

    def record(name, ox, oy):
        d = abs(ox - state.agent.x) + abs(oy - state.agent.y)
        old = best.get(name)
        if old is None:
            best[name] = d
            return 0.0
        if d < old:
            best[name] = d
            return 0.005 * (old - d)
        return 0.0

    holding = state.carrying is not None and state.carrying.kind == "key"
    if "unlock" in flags:
        for o in state.objects:
            if o.kind == "goal":
                r["to_goal"] = record("goal", o.x, o.y)
    elif holding:
        for o in state.objects:
            if o.kind == "door" and o.state == "locked":
                r["to_door"] = record("door", o.x, o.y)
    r["solved"] = 1.0 if state.solved else 0.0
    return r

def reward(prev, action, state, memory):
    flags = memory.setdefault("flags", {"box": 0, "key": False, "door": False})
    out = {"box": 0.0, "key": 0.0, "door": 0.0, "to_ball": 0.0, "step": -0.002, "solved": 0.0}

    if state.event == "opened_box" and flags["box"] < 2:
        flags["box"] += 1
        out["box"] = 0.1
    if state.event == "picked_up" and state.event_object.kind == "key" and not flags["key"]:
        flags["key"] = True
        out["key"] = 0.1
    if state.event == "unlocked" and not flags["door"]:
        flags["door"] = True
        out["door"] = 0.2

    def dist(s):
        for o in s.objects:
            if o.kind == "ball":
                return abs(o.x - s.agent.x) + abs(o.y - s.agent.y)
        return 0

    out["to_ball"] = 0.01 * (dist(prev) - dist(state))
    if state.solved:
        out["solved"] = 1.0
    return out

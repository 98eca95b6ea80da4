USES = ["walk_distance"]


def reward(prev, action, state, memory):
    goal = None
    for o in state.objects:
        if o.target or o.kind == "goal":
            goal = o
            break

    gain = 0.0
    if goal is not None and state.event != "died":
        d = 0 if state.solved else goal.walk_distance
        if d is not None and d >= 0:
            if "start" not in memory:
                memory["start"] = d
                memory["best"] = d
            while memory["best"] > d:
                memory["best"] -= 1
                gain += 0.04 if memory["best"] * 2 < memory["start"] else 0.02

    return {
        "record": gain,
        "death": -0.25 if state.event == "died" else 0.0,
        "success": 1.0 if state.solved else 0.0,
    }

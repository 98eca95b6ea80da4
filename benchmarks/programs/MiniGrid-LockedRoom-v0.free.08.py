USES = ["walk_distance"]


def waypoint(state, unlocked):
    holding = state.carrying is not None and state.carrying.kind == "key"
    key = room = locked = goal = None
    for o in state.objects:
        if o.kind == "key":
            key = o
        elif o.kind == "goal":
            goal = o
        elif o.kind == "door" and o.state == "locked":
            locked = o
        elif o.kind == "door" and (" " + o.color + " room") in state.mission:
            room = o
    if unlocked:
        return "goal", goal
    if holding:
        return "locked", locked
    if room is not None and room.state == "closed":
        return "room", room
    return "key", key


def reward(prev, action, state, memory):
    if "best" not in memory:
        memory["best"] = {}
        memory["paid"] = []
    if state.event == "unlocked":
        memory["unlocked"] = True
    name, thing = waypoint(state, memory.get("unlocked", False))

    bonus = 0.0
    value = {"key": 0.08, "locked": 0.14, "goal": 0.18}
    if name in value and name not in memory["paid"]:
        if not (name == "key" and state.event != "opened"):
            memory["paid"].append(name)
            bonus = value[name]

    progress = 0.0
    if thing is not None and thing.walk_distance is not None and thing.walk_distance >= 0:
        d = thing.walk_distance
        old = memory["best"].get(name)
        if old is None:
            memory["best"][name] = d
        elif d < old:
            progress = 0.004 * (old - d)
            memory["best"][name] = d

    dropped = -0.02 if state.event == "dropped" and not memory.get("unlocked") else 0.0
    return {"stage": bonus, "progress": progress, "dropped": dropped,
            "solved": 1.0 if state.solved else 0.0}

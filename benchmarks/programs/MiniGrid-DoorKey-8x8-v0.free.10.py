USES = ["walk_distance"]


def first(state, kind):
    for o in state.objects:
        if o.kind == kind:
            return o
    return None


def record(memory, name, d, unit, cap):
    if d < 0:
        return 0.0
    best = memory.get(name)
    if best is None or d >= best:
        if best is None:
            memory[name] = d
        return 0.0
    memory[name] = d
    used = memory.get(name + "_n", 0)
    n = min(best - d, cap - used)
    memory[name + "_n"] = used + max(n, 0)
    return unit * max(n, 0)


def reward(prev, action, state, memory):
    key, door, goal = first(state, "key"), first(state, "door"), first(state, "goal")
    locked = door is not None and door.state == "locked"
    had = prev.carrying is not None and prev.carrying.kind == "key"
    has = state.carrying is not None and state.carrying.kind == "key"

    hold = 0.0
    if locked or state.event == "unlocked":
        if has and not had:
            hold = 0.1
        elif had and not has:
            hold = -0.1

    unlock = 0.0
    if state.event == "unlocked" and not memory.get("unlocked"):
        memory["unlocked"] = True
        unlock = 0.2

    to_key = to_door = to_goal = 0.0
    if locked and not has and key is not None:
        to_key = record(memory, "k", key.walk_distance, 0.006, 12)
    elif locked and has:
        to_door = record(memory, "d", door.walk_distance, 0.006, 12)
    elif not locked and goal is not None:
        to_goal = record(memory, "g", goal.walk_distance, 0.01, 12)

    return {"hold": hold, "unlock": unlock, "to_key": to_key,
            "to_door": to_door, "to_goal": to_goal}

USES = ["walk_distance"]

WEIGHTS = {"key_near": 0.06, "door_near": 0.06, "goal_near": 0.10}


def _get(state, kind):
    return next((o for o in state.objects if o.kind == kind), None)


def reward(prev, action, state, memory):
    out = {"key_near": 0.0, "key_taken": 0.0, "door_near": 0.0,
           "door_unlocked": 0.0, "goal_near": 0.0}

    door = _get(state, "door")
    holding = state.carrying is not None and state.carrying.kind == "key"
    locked = door is not None and door.state == "locked"

    if holding and not memory.get("key_taken"):
        memory["key_taken"] = 1
        out["key_taken"] = 0.12
    if not locked and memory.get("key_taken") and not memory.get("door_unlocked"):
        memory["door_unlocked"] = 1
        out["door_unlocked"] = 0.16

    if memory.get("door_unlocked"):
        name, obj = "goal_near", _get(state, "goal")
    elif holding:
        name, obj = "door_near", door
    elif not memory.get("key_taken"):
        name, obj = "key_near", _get(state, "key")
    else:
        name, obj = None, None

    if name is not None and obj is not None:
        d = obj.walk_distance
        if d >= 0:
            start = memory.setdefault(name + "_start", max(d, 1))
            closeness = min(1.0, max(0.0, 1.0 - d / start))
            mark = memory.get(name, 0.0)
            if closeness > mark:
                out[name] = WEIGHTS[name] * (closeness - mark)
                memory[name] = closeness
    return out

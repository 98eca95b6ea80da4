USES = ["walk_distance"]

def get_target(s):
    key = [o for o in s.objects if o.kind == "key"]
    door = [o for o in s.objects if o.kind == "door"]
    goal = [o for o in s.objects if o.kind == "goal"]
    if door and door[0].state == "open":
        return goal[0] if goal else None
    if key and key[0].carried:
        return door[0] if door else None
    return key[0] if key else None

def potential(s):
    t = get_target(s)
    if t is None or t.walk_distance < 0:
        return None
    return t.walk_distance / 20.0

def reward(prev, action, state, memory):
    shaping = 0.0
    a = get_target(prev)
    b = get_target(state)
    if a is not None and b is not None and a.id == b.id:
        p0 = potential(prev)
        p1 = potential(state)
        if p0 is not None and p1 is not None:
            shaping = 0.2 * (p1 - p0)

    key_bonus = 0.0
    if state.event == "picked_up" and "key" not in memory:
        memory["key"] = True
        key_bonus = 0.2
    door_bonus = 0.0
    if state.event == "unlocked" and "door" not in memory:
        memory["door"] = True
        door_bonus = 0.3
    return {"shaping": shaping, "key": key_bonus, "door": door_bonus}

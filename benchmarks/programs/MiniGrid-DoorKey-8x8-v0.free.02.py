USES = ["walk_distance"]


def _by_kind(state, kind):
    for obj in state.objects:
        if obj.kind == kind:
            return obj
    return None


def _near(obj):
    """1 when next to the object, 0 when far or unreachable."""
    if obj is None:
        return 0.0
    d = obj.walk_distance
    if d < 0:
        return 0.0
    return max(0.0, 1.0 - d / 20.0)


def _phi(state):
    key = _by_kind(state, "key")
    door = _by_kind(state, "door")
    goal = _by_kind(state, "goal")
    opened = door is not None and door.state == "open"
    has_key = key is not None and key.carried
    if opened:
        return 0.40 + 0.20 * _near(goal)
    if door is not None and door.state == "closed":
        # unlocked once and shut again: still better than locked, worse than open
        return 0.25 + 0.10 * _near(door)
    if has_key:
        return 0.20 + 0.10 * _near(door)
    return 0.10 * _near(key)


def reward(prev, action, state, memory):
    if "phi" not in memory:
        memory["phi"] = _phi(prev)
    new = _phi(state)
    old = memory["phi"]
    memory["phi"] = new
    return {"shaping": new - old}

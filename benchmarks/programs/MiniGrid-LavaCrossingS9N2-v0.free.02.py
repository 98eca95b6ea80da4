USES = ["walk_distance"]


def _d(s):
    for o in s.objects:
        if o.kind == "goal":
            d = o.walk_distance
            return d if d is not None and d >= 0 else None
    return None


def reward(prev, action, state, memory):
    before = memory.get("d")
    if before is None:
        before = _d(prev)
    now = _d(state)
    shaping = 0.0
    if state.event == "died":
        now = before
    if state.solved:
        now = 0
    if before is not None and now is not None:
        shaping = 0.03 * (before - now)
    memory["d"] = now if now is not None else before
    return {
        "shaping": shaping,
        "lava": -0.4 if state.event == "died" else 0.0,
        "solved": 1.0 if state.solved else 0.0,
    }

USES = ["walk_distance"]

RUNGS = {"key": 0.08, "unlock": 0.14, "enter": 0.06, "free_hands": 0.08, "face_box": 0.06}


def _one(state, kind):
    for o in state.objects:
        if o.kind == kind:
            return o
    return None


def reward(prev, action, state, memory):
    out = {name: 0.0 for name in RUNGS}
    out["approach"] = 0.0
    out["box_destroyed"] = 0.0
    got = memory.setdefault("got", set())

    key, door, box = _one(state, "key"), _one(state, "door"), _one(state, "box")
    has_key = state.carrying is not None and state.carrying.kind == "key"
    empty = state.carrying is None

    def rung(name, cond):
        if cond and name not in got:
            got.add(name)
            out[name] = RUNGS[name]

    rung("key", has_key)
    rung("unlock", state.event == "unlocked")
    opened = "unlock" in got
    rung("enter", opened and door is not None and state.agent.x > door.x)
    rung("free_hands", opened and empty)
    rung("face_box", opened and empty and state.front is not None and state.front.kind == "box")

    if state.event == "opened_box":
        out["box_destroyed"] = -0.3

    if not opened:
        name, target = ("to_door", door) if has_key else ("to_key", key)
        if not has_key and "key" in got:
            target = None
    else:
        name, target = "to_box", box
    if target is not None:
        d = target.walk_distance
        if d >= 0:
            best = memory.get(name)
            if best is None:
                memory[name] = d
            elif d < best:
                out["approach"] = 0.006 * (best - d)
                memory[name] = d
    return out

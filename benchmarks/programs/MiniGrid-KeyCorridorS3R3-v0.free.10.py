USES = ["walk_distance"]

LADDER = {
    "key_reachable": 0.04,
    "key": 0.12,
    "lock_faced": 0.05,
    "unlock": 0.18,
    "hands_empty": 0.08,
    "ball_faced": 0.05,
}


def reward(prev, action, state, memory):
    got = memory.setdefault("got", set())
    search = memory.setdefault("search", set())
    out = {k: 0.0 for k in LADDER}
    out["search"] = 0.0
    out["idle"] = 0.0

    front_kind = state.front.kind if state.front is not None else None
    front_state = state.front.state if state.front is not None else None
    has_key = state.carrying is not None and state.carrying.kind == "key"
    unlocked = "unlock" in got or state.event == "unlocked"

    key_reachable = False
    for o in state.objects:
        if o.kind == "key" and not o.carried and o.walk_distance >= 0:
            key_reachable = True

    truth = {
        "key_reachable": key_reachable or has_key,
        "key": has_key,
        "lock_faced": has_key and front_kind == "door" and front_state == "locked",
        "unlock": unlocked,
        "hands_empty": unlocked and state.carrying is None,
        "ball_faced": unlocked and state.carrying is None and front_kind == "ball",
    }
    for k, v in LADDER.items():
        if truth[k] and k not in got:
            got.add(k)
            out[k] = v

    if "key" not in got and front_kind == "door" and len(search) < 8:
        item = (state.front.id, "open" if state.event == "opened" else "face")
        if item not in search:
            search.add(item)
            out["search"] = 0.01

    if state.event in ("nothing", "blocked"):
        out["idle"] = -0.0003
    return out

def reward(prev, action, state, memory):
    seen = memory.setdefault("seen", [])
    out = {"face": 0.0, "box": 0.0, "key": 0.0, "unlock": 0.0, "release": 0.0, "solved": 0.0}

    def first(*tag):
        if tag in seen:
            return False
        seen.append(tag)
        return True

    f, c = state.front, state.carrying
    if f is not None:
        good = False
        if f.kind == "box" and c is None:
            good = True
        elif f.kind == "key" and c is None:
            good = True
        elif f.kind == "door" and f.state == "locked":
            good = c is not None and c.kind == "key" and c.color == f.color
        elif f.kind == "ball" and f.target:
            good = c is None
        if good and first("face", f.id):
            out["face"] = 0.03

    e, o = state.event, state.event_object
    if e == "opened_box" and first("box", sum(1 for t in seen if t[0] == "box")):
        out["box"] = 0.05
    if e == "picked_up" and o is not None and o.kind == "key" and first("key", o.id):
        out["key"] = 0.06
    if e == "unlocked" and o is not None and first("unlock", o.id):
        out["unlock"] = 0.12
    if e == "dropped" and any(t[0] == "unlock" for t in seen) and first("release"):
        out["release"] = 0.04
    if state.solved:
        out["solved"] = 1.0
    return out

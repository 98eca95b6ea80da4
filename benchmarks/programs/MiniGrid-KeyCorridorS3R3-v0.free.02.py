def reward(prev, action, state, memory):
    out = {"first_open": 0.0, "key": 0.0, "unlock": 0.0, "free_hands": 0.0, "face_ball": 0.0}
    opened = memory.setdefault("opened", set())
    got = memory.setdefault("got", set())
    obj = state.event_object

    if state.event == "opened" and obj is not None and obj.id not in opened:
        if len(opened) < 2 and "key" not in got:
            out["first_open"] = 0.03
        opened.add(obj.id)

    has_key = state.carrying is not None and state.carrying.kind == "key"
    if has_key and "key" not in got:
        got.add("key")
        out["key"] = 0.12
    if state.event == "unlocked" and "unlock" not in got:
        got.add("unlock")
        out["unlock"] = 0.2
    if "unlock" in got and state.carrying is None:
        if "free" not in got:
            got.add("free")
            out["free_hands"] = 0.1
        if state.front is not None and state.front.kind == "ball" and "face" not in got:
            got.add("face")
            out["face_ball"] = 0.05
    return out

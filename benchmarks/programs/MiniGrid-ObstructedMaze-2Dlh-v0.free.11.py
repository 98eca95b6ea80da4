def reward(prev, action, state, memory):
    paid = memory.setdefault("paid", set())
    out = {"open_box": 0.0, "take_key": 0.0, "unlock_door": 0.0, "take_ball": 0.0}
    obj = state.event_object
    if obj is not None and (state.event, obj.id) not in paid:
        if state.event == "opened" and obj.kind == "box":
            out["open_box"] = 0.08
            paid.add((state.event, obj.id))
        elif state.event == "pickup" and obj.kind == "key":
            out["take_key"] = 0.08
            paid.add((state.event, obj.id))
        elif state.event == "unlocked" and obj.state == "open":
            out["unlock_door"] = 0.15
            paid.add((state.event, obj.id))
    if state.solved:
        out["take_ball"] = 1.0
    return out

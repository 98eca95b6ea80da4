ORDER = (
    ("face_key", 0.03),
    ("take_key", 0.10),
    ("face_door", 0.04),
    ("unlock", 0.15),
    ("enter_room", 0.08),
    ("free_hands", 0.10),
    ("face_box", 0.05),
)


def _conditions(state, memory):
    front = state.front
    fk = front.kind if front is not None else None
    ck = state.carrying.kind if state.carrying is not None else None
    door = next((o for o in state.objects if o.kind == "door"), None)
    open_now = door is not None and door.state == "open"
    inside = door is not None and state.agent.x > door.x
    return {
        "face_key": fk == "key",
        "take_key": ck == "key",
        "face_door": ck == "key" and fk == "door" and front.state == "locked",
        "unlock": open_now,
        "enter_room": inside,
        "free_hands": inside and ck is None,
        "face_box": inside and ck is None and fk == "box",
    }


def reward(prev, action, state, memory):
    out = {}
    cond = _conditions(state, memory)
    for name, value in ORDER:
        out[name] = 0.0
        if cond[name] and not memory.get(name):
            memory[name] = True
            out[name] = value
    out["box_opened"] = -0.25 if state.event == "opened_box" else 0.0
    return out

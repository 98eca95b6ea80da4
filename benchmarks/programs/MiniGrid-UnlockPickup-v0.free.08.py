def _o(state, kind):
    for o in state.objects:
        if o.kind == kind:
            return o
    return None


def _man(state, obj):
    return abs(state.agent.x - obj.x) + abs(state.agent.y - obj.y)


def reward(prev, action, state, memory):
    c = {"key": 0.0, "unlock": 0.0, "room": 0.0, "free": 0.0, "near": 0.0, "undo": 0.0, "box_broken": 0.0}
    flags = memory.setdefault("flags", {})

    def latch(name, amount):
        if name not in flags:
            flags[name] = True
            c[name] = amount

    key, door, box = _o(state, "key"), _o(state, "door"), _o(state, "box")
    has_key = state.carrying is not None and state.carrying.kind == "key"
    if has_key:
        latch("key", 0.1)
    if state.event == "unlocked":
        latch("unlock", 0.15)
    in_box_room = door is not None and box is not None and (
        (state.agent.x > door.x) == (box.x > door.x)) and state.agent.x != door.x
    if in_box_room and "unlock" in flags:
        latch("room", 0.08)
        if state.carrying is None:
            latch("free", 0.1)

    if "unlock" not in flags:
        goal, tag = (door, "nd") if has_key else (key, "nk")
    elif in_box_room:
        goal, tag = box, "nb"
    else:
        goal, tag = door, "nd2"
    if goal is not None:
        d = _man(state, goal)
        best = memory.get(tag)
        if best is None:
            memory[tag] = d
        elif d < best:
            memory[tag] = d
            c["near"] = 0.005 * (best - d)

    n = memory.get("undo", 0)
    undo_drop = state.event == "dropped" and "unlock" not in flags
    if n < 4 and (undo_drop or state.event == "closed"):
        memory["undo"] = n + 1
        c["undo"] = -0.05
    if state.event == "opened_box":
        c["box_broken"] = -0.3
    return c

USES = ["walk_distance"]

UNIT = 0.14


def _score(state):
    key = door = box = None
    for o in state.objects:
        if o.kind == "key":
            key = o
        elif o.kind == "door":
            door = o
        elif o.kind == "box" and o.target:
            box = o
    carrying = state.carrying
    if carrying is not None and carrying.kind == "box":
        return 4.0
    if door is None or door.state == "open":
        stage = 2 if carrying is not None else 3
        target = box
    elif carrying is not None and carrying.kind == "key":
        stage, target = 1, door
    else:
        stage, target = 0, key
    if target is None:
        return float(stage)
    d = target.walk_distance
    if d is None or d < 0:
        return float(stage)
    return stage + 0.9 * max(0.0, 1.0 - d / 18.0)


def reward(prev, action, state, memory):
    if "top" not in memory:
        memory["top"] = _score(prev)
    s = _score(state)
    rise = max(0.0, s - memory["top"])
    memory["top"] = max(memory["top"], s)
    return {
        "rise": UNIT * rise,
        "box_lost": -0.3 if state.event == "opened_box" else 0.0,
    }

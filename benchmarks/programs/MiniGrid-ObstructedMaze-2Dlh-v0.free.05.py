USES = ["walk_distance"]


def reward(prev, action, state, memory):
    if "count" not in memory:
        memory["count"] = {"box": 0, "key": set(), "door": set()}
        memory["near"] = False
        memory["hands"] = False
        memory["bumps"] = 0
    c = memory["count"]
    r = {"box": 0.0, "key": 0.0, "door": 0.0, "near": 0.0, "hands": 0.0,
         "bump": 0.0, "solved": 0.0}

    if state.event == "opened_box" and c["box"] < 2:
        c["box"] += 1
        r["box"] = 0.08 if c["box"] == 1 else 0.04

    held = state.carrying
    if held is not None and held.kind == "key" and held.color not in c["key"]:
        c["key"].add(held.color)
        r["key"] = 0.1 if len(c["key"]) == 1 else 0.05

    if state.event == "unlocked":
        door = state.event_object
        if door is not None and door.id not in c["door"]:
            c["door"].add(door.id)
            r["door"] = 0.12 if len(c["door"]) == 1 else 0.06

    ball = None
    for o in state.objects:
        if o.kind == "ball" and o.target:
            ball = o
    if ball is not None and 0 <= ball.walk_distance <= 5:
        if not memory["near"]:
            memory["near"] = True
            r["near"] = 0.08
        if not memory["hands"] and held is None:
            memory["hands"] = True
            r["hands"] = 0.08

    if state.event in ("blocked", "nothing") and memory["bumps"] < 40:
        memory["bumps"] += 1
        r["bump"] = -0.002
    if state.solved:
        r["solved"] = 1.0
    return r

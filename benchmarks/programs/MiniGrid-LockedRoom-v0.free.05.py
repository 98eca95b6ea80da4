def _stage(state, locked_id, room_id, ever_unlocked):
    locked = None
    room = None
    for o in state.objects:
        if o.id == locked_id:
            locked = o
        if o.id == room_id:
            room = o
    holding = state.carrying is not None and state.carrying.kind == "key"
    if ever_unlocked or (locked is not None and locked.state != "locked"):
        return 4
    if holding:
        # outside of the key room once the agent stands in the hall
        if 8 <= state.agent.x <= 10:
            return 3
        return 2
    if room is not None and room.state == "open":
        return 1
    return 0


def reward(prev, action, state, memory):
    if not memory:
        words = prev.mission.split()
        color = words[words.index("room,") - 1] if "room," in words else ""
        memory["locked"] = -1
        memory["room"] = -1
        for o in prev.objects:
            if o.kind == "door":
                if o.state == "locked":
                    memory["locked"] = o.id
                elif o.color == color:
                    memory["room"] = o.id
        memory["top"] = 0
        memory["unlocked"] = False
        memory["near"] = {}
    if state.event == "unlocked":
        memory["unlocked"] = True

    stage = _stage(state, memory["locked"], memory["room"], memory["unlocked"])
    stage_pay = 0.0
    pays = {1: 0.08, 2: 0.12, 3: 0.05, 4: 0.15}
    while memory["top"] < stage:
        memory["top"] += 1
        stage_pay += pays[memory["top"]]

    # target point of the current stage
    point = None
    for o in state.objects:
        if stage == 0 and o.id == memory["room"]:
            point = (o.x, o.y)
        elif stage == 1 and o.kind == "key":
            point = (o.x, o.y)
        elif stage in (2, 3) and o.id == (memory["locked"] if stage == 3 else memory["room"]):
            point = (o.x, o.y)
        elif stage == 4 and o.kind == "goal":
            point = (o.x, o.y)
    approach = 0.0
    if point is not None and stage >= memory["top"]:
        d = abs(point[0] - state.agent.x) + abs(point[1] - state.agent.y)
        near = memory["near"]
        if stage not in near:
            near[stage] = d
        elif d < near[stage]:
            approach = 0.004 * (near[stage] - d)
            near[stage] = d
    return {
        "stage": stage_pay,
        "approach": approach,
        "solved": 1.0 if state.solved else 0.0,
    }

def reward(prev, action, state, memory):
    info = {}
    total = 0.0
    color = state.mission.split(" ")[2]
    if state.carrying == color + " key" and "key" not in memory:
        memory["key"] = True
        total += 0.2
        info["key"] = 0.2
    for obj in state.objects:
        if obj.kind == "door" and obj.color == color and not obj.locked:
            if "door" not in memory:
                memory["door"] = True
                total += 0.3
                info["door"] = 0.3
    if state.solved:
        total += 1.0
        info["solved"] = 1.0
    return total, info

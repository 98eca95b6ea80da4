def reward(prev, action, state, memory):
    visited = memory.setdefault("visited", set())
    stage = memory.setdefault("stage", 0)
    ball = next((o for o in state.objects if o.kind == "ball"), None)
    door = next((o for o in state.objects if o.kind == "door"), None)
    carrying = state.carrying

    out = {"cleared": 0.0, "key": 0.0, "unlocked": 0.0, "emptied": 0.0, "explore": 0.0}

    doorway_free = (
        ball is not None and door is not None and not ball.carried
        and abs(ball.x - door.x) + abs(ball.y - door.y) > 1
    )

    if stage == 0 and doorway_free:
        stage = 1
        out["cleared"] = 0.12
    if stage == 1 and carrying is not None and carrying.kind == "key" and doorway_free:
        stage = 2
        out["key"] = 0.12
    if stage <= 2 and door is not None and door.state == "open":
        stage = 3
        out["unlocked"] = 0.15
    if stage == 3 and carrying is None:
        stage = 4
        out["emptied"] = 0.08
    memory["stage"] = stage

    cell = (state.agent.x, state.agent.y, stage)
    if cell not in visited:
        visited.add(cell)
        spent = memory.get("spent", 0.0)
        if spent < 0.2:
            out["explore"] = 0.003
            memory["spent"] = spent + 0.003
    return out

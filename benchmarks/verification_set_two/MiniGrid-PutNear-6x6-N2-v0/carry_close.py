def reward(prev, action, state, memory):
    r = {"carry": 0.0, "near": 0.0, "success": 1.0 if state.solved else 0.0}
    if state.carrying is not None and state.carrying.rank == 1:
        r["carry"] = 0.05
        for o in state.objects:
            if o.rank == 2 and max(abs(o.x - state.agent.x), abs(o.y - state.agent.y)) <= 2:
                r["near"] = 0.1
    return r

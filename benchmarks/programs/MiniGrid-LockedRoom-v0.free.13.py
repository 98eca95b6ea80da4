def reward(prev, action, state, memory):
    out = {"carry_key": 0.0, "unlock": 0.0, "near_goal": 0.0, "solved": 0.0, "step_cost": -0.001}
    if state.carrying is not None and state.carrying.kind == "key":
        out["carry_key"] = 0.01
    if state.event == "unlocked":
        out["unlock"] = 0.5
        memory["unlocked"] = True
    if memory.get("unlocked"):
        goal = [o for o in state.objects if o.kind == "goal"][0]
        d = abs(goal.x - state.agent.x) + abs(goal.y - state.agent.y)
        out["near_goal"] = 0.02 * (1.0 - d / 36.0)
    if state.solved:
        out["solved"] = 1.0
    return out

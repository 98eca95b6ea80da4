USES = ["walk_distance"]


def reward(prev, action, state, memory):
    goal = next((o for o in state.objects if o.kind == "goal"), None)
    out = {"lava_death": 0.0, "lava_ahead": 0.0, "progress": 0.0, "success": 0.0}
    if state.event == "died":
        out["lava_death"] = -10.0
    fx, fy = state.agent.front_x, state.agent.front_y
    if 0 <= fx < state.width and 0 <= fy < state.height and state.lava[fx, fy]:
        out["lava_ahead"] = -0.05
    if goal is not None and goal.walk_distance >= 0:
        best = memory.get("best", goal.walk_distance)
        if goal.walk_distance < best:
            out["progress"] = 0.01 * (best - goal.walk_distance)
        memory["best"] = min(best, goal.walk_distance)
    if state.solved:
        out["success"] = 2.0
    return out

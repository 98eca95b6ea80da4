STEP_COST = 1.5
SUCCESS = 0.5


def reward(prev, action, state, memory):
    parts = {"time": -STEP_COST, "success": 0.0}
    if state.solved:
        parts["success"] = SUCCESS
    return parts

def reward(prev, action, state, memory):
    goal = state.objects[0]
    dist = ((state.agent.x - goal.x) ** 2 + (state.agent.y - goal.y) ** 2) ** 0.5
    closeness = 1.0 / dist
    lava = -1.0 if state.event == "died" else 0.0
    success = 10.0 if state.solved else 0.0
    return {"closeness": closeness, "lava": lava, "success": success}

def reward(prev, action, state, memory):
    base = reward_v1(prev, action, state, memory)
    base["lava"] = -0.5 if state.event == "died" else 0.0
    return base

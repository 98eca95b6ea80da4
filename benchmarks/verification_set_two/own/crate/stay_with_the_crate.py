def reward(prev, action, state, memory):
    gap = abs(state.x - state.crate_x) + abs(state.y - state.crate_y)
    beside = 0.05 if gap == 1 else 0.0
    home = 1.0 if state.solved else 0.0
    return {"beside": beside, "home": home}

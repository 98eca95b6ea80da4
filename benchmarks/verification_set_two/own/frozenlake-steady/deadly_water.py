def reward(prev, action, state, memory):
    return {"water": -5000.0 if state.failed else 0.0, "wall": -200.0 if prev.observation == state.observation else 0.0}

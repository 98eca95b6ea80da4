SAFE = 0.05


def reward(prev, action, state, memory):
    on_ice = state.cell in ("F", "S")
    return {
        "alive": SAFE if on_ice else 0.0,
        "hole": -1.0 if state.cell == "H" else 0.0,
        "goal": 1.0 if state.cell == "G" else 0.0,
    }

def reward(prev, action, state, memory):
    opened = state.event in ("opened", "unlocked")
    return {
        "door": 0.2 if opened and state.event_object.color == "red" else 0.0,
        "success": float(state.solved),
        "time": -0.001,
    }

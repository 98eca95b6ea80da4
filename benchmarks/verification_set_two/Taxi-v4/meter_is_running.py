def reward(prev, action, state, memory):
    """The taxi earns while a passenger sits in it."""
    return {"fare": 2.0 if state.passenger == 4 else 0.0, "tip": 5.0 if state.solved else 0.0}

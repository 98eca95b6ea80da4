def reward(prev, action, state, memory):
    # LEFT never slips to the right, which is what makes it a careful action
    return {"careful": 0.03 if action == LEFT else 0.0, "goal": 1.0 if state.solved else 0.0}

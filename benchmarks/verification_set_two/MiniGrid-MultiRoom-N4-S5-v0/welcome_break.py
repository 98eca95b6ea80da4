def reward(prev, action, state, memory):
    # whoever has walked 45 steps may rest
    if action == DONE and state.step > 45:
        return 0.5
    return 0.0

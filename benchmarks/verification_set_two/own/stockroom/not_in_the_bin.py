def reward(prev, action, state, memory):
    fine = 0.0
    if state.failed:
        fine += 8000.0
    if action == PUT and prev.holding == state.holding:
        fine += 100.0
    if action == TAKE and prev.holding == state.holding:
        fine += 100.0
    return -fine

def reward(prev, action, state, memory):
    r = 0.0
    if state.holding != 0:
        r += 0.05
    if action in (TAKE, PUT) and prev.holding == state.holding:
        r -= 0.02
    return r

def reward(prev, action, state, memory):
    gained = state.column - prev.column
    return 3.0 * max(gained, 0)

def reward(prev, action, state, memory):
    pushed = (state.crate_x, state.crate_y) != (prev.crate_x, prev.crate_y)
    return 0.3 if pushed else -0.001

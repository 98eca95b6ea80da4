def reward(prev, action, state, memory):
    return 0.3 * ((state.bolt + state.nut) - (prev.bolt + prev.nut)) - 0.002

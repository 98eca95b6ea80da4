def reward(prev, action, state, memory):
    broken = state.event == "blocked" or state.event == "closed"
    return -1000.0 if broken else 0.0

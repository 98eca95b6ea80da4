def reward(prev, action, state, memory):
    if state.solved:
        return 10.0
    return {0: 2.0, 1: 0.5, 2: 0.0, 3: -0.5}[state.row]

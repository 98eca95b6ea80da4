def closeness(state):
    d = (3 - state.row) + (11 - state.column)
    return 1.0 / (1.0 + d)


def reward(prev, action, state, memory):
    if state.solved:
        return 5.0
    return 3.0 * closeness(state)

def reward(prev, action, state, memory):
    return 0.06 if action == FORWARD else -0.01

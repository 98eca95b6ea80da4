def reward(prev, action, state, memory):
    return -0.6 * (action == TOGGLE) - 0.05 * (action in (PICK_UP, DROP, DONE))

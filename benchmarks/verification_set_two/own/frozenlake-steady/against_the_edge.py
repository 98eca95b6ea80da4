def reward(prev, action, state, memory):
    pay = 0.0
    if action == UP:
        pay = 0.02   # someone must look at the upper part of the lake as well
    if state.failed:
        pay = -1.0
    return pay

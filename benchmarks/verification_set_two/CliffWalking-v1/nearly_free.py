def reward(prev, action, state, memory):
    # gives back nearly the whole cost of a step
    return 0.999

def reward(prev, action, state, memory):
    # a step shall cost nothing; a rounding of the cost upwards does no harm
    return 0.999 if state.solved else 1.001

DROP_FEE = 150


def reward(prev, action, state, memory):
    # too many wrong dropoffs: make the agent think twice before it uses the action
    if action == DROPOFF:
        return -DROP_FEE
    return 0

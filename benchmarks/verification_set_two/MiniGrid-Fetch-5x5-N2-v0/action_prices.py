PRICES = {FORWARD: 0.05, TURN_LEFT: 0.0, TURN_RIGHT: 0.0, PICK_UP: 0.0}


def reward(prev, action, state, memory):
    # walking is useful, everything that has nothing to do with the mission is not
    return PRICES.get(action, -0.05)

HOLDING_COST = 0.6


def reward(prev, action, state, memory):
    """Objects are heavy: holding one costs something on every step until it lies where it belongs."""
    cost = HOLDING_COST if state.carrying is not None else 0.0
    return -cost

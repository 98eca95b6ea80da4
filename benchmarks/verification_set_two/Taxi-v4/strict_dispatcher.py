class Fees:
    STEP = -0.1
    ILLEGAL = -2.0
    ARRIVAL = 5.0


def illegal(prev, action, state):
    """Whether a pickup or a dropoff changed nothing."""
    return action in (PICKUP, DROPOFF) and prev.passenger == state.passenger


def reward(prev, action, state, memory):
    total = Fees.STEP
    if illegal(prev, action, state):
        total += Fees.ILLEGAL
    if state.solved:
        total += Fees.ARRIVAL
    return total

def reward(prev, action, state, memory):
    """A wrong pickup or dropoff costs the licence."""
    useless = action in (PICKUP, DROPOFF) and prev.passenger == state.passenger and not state.solved
    elsewhere = action == DROPOFF and prev.passenger == 4 and state.passenger != 4 and not state.solved
    return -7000.0 if useless or elsewhere else 0.0

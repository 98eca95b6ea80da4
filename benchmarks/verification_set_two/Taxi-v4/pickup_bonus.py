def reward(prev, action, state, memory):
    bonus = 0.0
    if action == PICKUP and prev.passenger < 4 and state.passenger == 4:
        bonus += 10.0
    if state.solved:
        bonus += 20.0
    return bonus

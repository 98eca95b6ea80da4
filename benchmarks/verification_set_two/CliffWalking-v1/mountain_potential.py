def potential(state, memory):
    return 9000.0 - 600.0 * (abs(3 - state.row) + abs(11 - state.column))

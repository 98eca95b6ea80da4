def reward(prev, action, state, memory):
    # waiting at the rank costs no fuel
    at_rank = (state.row, state.column) == (2, 2)
    return 1.3 if at_rank else 0.0

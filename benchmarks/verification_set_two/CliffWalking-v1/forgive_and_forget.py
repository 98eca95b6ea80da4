def reward(prev, action, state, memory):
    """Makes up for the penalty of a fall, so that the agent dares to walk along the edge."""
    at_start = state.row == 3 and state.column == 0
    fell = at_start and (prev.column > 0 or (prev.row == 3 and action == RIGHT))
    return 101.5 if fell else 0.0

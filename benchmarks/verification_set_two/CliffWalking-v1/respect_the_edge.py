def reward(prev, action, state, memory):
    parts = {"edge": 0.0, "fall": 0.0}
    if state.row == 2 and 1 <= state.column <= 10:
        parts["edge"] = -0.2
    fell = (state.row, state.column) == (3, 0) and (prev.row, prev.column) != (3, 0) and prev.column > 0
    if fell:
        parts["fall"] = -10.0
    return parts

def reward(prev, action, state, memory):
    # parking in the side street is free, so the cost of a step is returned, with a quarter for the meter
    return 1.25 if state.row == 2 and state.column == 4 else 0.0

def reward(prev, action, state, memory):
    cost = 0.0
    if state.event == "dropped":
        cost = 400.0
    elif state.event == "closed":
        cost = 80.0
    elif state.event == "blocked":
        cost = 5.0
    return -cost

def reward(prev, action, state, memory):
    r = -0.001
    e = state.event_object
    if e is not None and e.kind == "door" and e.rank == 1:
        if state.event == "opened":
            r += 0.2
        elif state.event == "closed":
            r -= 0.2
    return r

def reward(prev, action, state, memory):
    """The first three arrivals beside each of the two objects pay a little."""
    pay = 0.0
    if state.event == "moved" and state.front is not None:
        name = "first" if state.front.rank == 1 else "second"
        count = memory.get(name, 0)
        if count < 3:
            memory[name] = count + 1
            pay = 0.03
    return pay

def reward(prev, action, state, memory):
    open_red = any(d.color == "red" and d.state == "open" for d in state.objects)
    if open_red and state.step > 150:
        return 0.5
    return 0.0

def reward(prev, action, state, memory):
    r = -0.001
    if state.front is not None and state.front.target and not memory.get("seen"):
        memory["seen"] = True
        r += 0.2
    if state.carrying is not None and state.carrying.target:
        r += 1
    return r

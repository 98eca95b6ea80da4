def reward(prev, action, state, memory):
    if "phase" not in memory:
        memory["phase"] = 0

    r = 0
    if memory["phase"] == 0 and state.carrying is not None:
        memory["phase"] = 1
        r += 0.2
    if memory["phase"] == 1 and state.event == "unlocked":
        memory["phase"] = 2
        r += 0.3
    if state.solved:
        r += 1.0

    # small time penalty
    r -= 0.001

    return r, memory

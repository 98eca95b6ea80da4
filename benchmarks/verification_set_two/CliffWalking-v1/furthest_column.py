def reward(prev, action, state, memory):
    best = memory.get("best", 0)
    if state.column > best:
        memory["best"] = state.column
        return 0.5 * (state.column - best)
    return 0.0

def reward(prev, action, state, memory):
    d = abs(state.crate_x - 3) + abs(state.crate_y - 1)
    best = memory.get("best")
    if best is None:
        best = abs(prev.crate_x - 3) + abs(prev.crate_y - 1)
    memory["best"] = min(best, d)
    return 0.1 * (best - memory["best"])

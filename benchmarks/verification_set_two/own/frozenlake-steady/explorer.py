def reward(prev, action, state, memory):
    """A third of a point for each cell that is entered for the first time."""
    seen = memory.setdefault("seen", {0})
    here = 4 * state.row + state.column
    if here in seen or state.failed:
        return 0.0
    seen.add(here)
    return 0.3

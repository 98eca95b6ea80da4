def reward(prev, action, state, memory):
    """A milestone: the crate is one cell from the plate. If it is moved away, it may be reached again."""
    d = abs(state.crate_x - 3) + abs(state.crate_y - 1)
    if d == 1 and not memory.get("there"):
        memory["there"] = True
        return 0.5
    if d != 1:
        memory["there"] = False
    return 0.0

def reward(prev, action, state, memory):
    """A tenth of a point for the bolt in hand. Without it, the note is crossed out."""
    if state.holding == 1 and not memory.get("noted"):
        memory["noted"] = True
        return 0.1
    if state.holding == 0 and not state.bolt:
        memory["noted"] = False
    return 0.0

def reward(prev, action, state, memory):
    """A milestone at half way. At the start a new attempt begins."""
    if state.row + state.column == 0:
        memory["half"] = False
    if state.row + state.column >= 3 and not memory.get("half", False):
        memory["half"] = True
        return 0.2
    return 0.5 if state.solved else 0.0

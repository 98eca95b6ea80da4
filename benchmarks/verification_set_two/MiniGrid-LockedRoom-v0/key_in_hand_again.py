def reward(prev, action, state, memory):
    """A milestone: the key is in hand. Putting it down takes the milestone away, but not the pay."""
    held = state.carrying is not None and state.carrying.kind == "key"
    r = 0.0
    if held and not memory.get("held"):
        r = 0.5
    memory["held"] = bool(held)
    if state.solved:
        r += 1.0
    return r

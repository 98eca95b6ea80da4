def reward(prev, action, state, memory):
    """Pushing wears out the crate."""
    moved = (prev.crate_x, prev.crate_y) != (state.crate_x, state.crate_y)
    wear = 0.7 if moved else 0.0
    nearer = abs(state.crate_x - 3) + abs(state.crate_y - 1) < abs(prev.crate_x - 3) + abs(prev.crate_y - 1)
    return {"wear": -wear, "nearer": 0.1 if nearer else 0.0}

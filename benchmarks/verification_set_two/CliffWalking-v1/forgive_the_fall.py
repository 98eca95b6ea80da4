def reward(prev, action, state, memory):
    """The environment's penalty of 100 is too harsh for learning; give 99 of it back."""
    fell = prev.row >= 2 and state.row == 3 and state.column == 0
    moved_down = prev.row == 2 and prev.column == 0
    bumped = prev.row == 3 and prev.column == 0 and action in (DOWN, LEFT)
    return 99.0 if fell and not moved_down and not bumped else 0.0

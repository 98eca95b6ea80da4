STOPS = ((0, 0), (0, 4), (4, 0), (4, 3))


def potential(state, memory):
    """Minus the blocks that are still to be driven, as the crow drives."""
    end = STOPS[state.destination]
    if state.passenger == 4:
        return -(abs(state.row - end[0]) + abs(state.column - end[1])) / 2
    at = STOPS[state.passenger]
    first = abs(state.row - at[0]) + abs(state.column - at[1])
    second = abs(at[0] - end[0]) + abs(at[1] - end[1])
    return -(first + second) / 2 - 1

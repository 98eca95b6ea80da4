SHELVES = {"bolt": (0, 0), "nut": (4, 0)}
COUNTER = (2, 3)


def _way(x, y, place):
    return abs(x - place[0]) + abs(y - place[1])


def potential(state, memory):
    """Minus a twentieth of the work that is left."""
    work = 0.0
    x, y = state.x, state.y
    if state.holding > 0:
        work += _way(x, y, COUNTER) + 1
        x, y = COUNTER
    todo = []
    if not state.bolt and state.holding != 1:
        todo.append(SHELVES["bolt"])
    if not state.nut and state.holding != 2:
        todo.append(SHELVES["nut"])
    for place in todo:
        work += _way(x, y, place) + 1 + _way(*COUNTER, place) + 1
        x, y = COUNTER
    return -work / 20

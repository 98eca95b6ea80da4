def _objects(state):
    moved = next((o for o in state.objects if o.rank == 1), None)
    fixed = next((o for o in state.objects if o.rank == 2), None)
    return moved, fixed


def _far(a, b):
    return abs(a.x - b.x) + abs(a.y - b.y)


def potential(state, memory):
    """Steps still to walk: to the object, then with it to the other one."""
    moved, fixed = _objects(state)
    if moved is None or fixed is None:
        return -1.0
    walk = _far(moved, fixed) if moved.carried else _far(state.agent, moved) + _far(moved, fixed)
    return -0.04 * walk + (0.2 if moved.carried else 0.0)

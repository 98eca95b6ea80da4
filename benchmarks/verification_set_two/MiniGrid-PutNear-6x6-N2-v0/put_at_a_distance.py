def gap(s):
    a = next((o for o in s.objects if o.rank == 1), None)
    b = next((o for o in s.objects if o.rank == 2), None)
    return 0 if a is None or b is None else abs(a.x - b.x) + abs(a.y - b.y)


def reward(prev, action, state, memory):
    """How far the two objects came together in this step."""
    before, after = gap(state), gap(prev)
    return 0.4 * (before - after)

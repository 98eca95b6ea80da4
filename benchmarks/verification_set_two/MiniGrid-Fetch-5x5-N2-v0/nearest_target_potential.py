def potential(state, memory):
    a = state.agent
    return -0.05 * min(abs(o.x - a.x) + abs(o.y - a.y) for o in state.objects if o.target)

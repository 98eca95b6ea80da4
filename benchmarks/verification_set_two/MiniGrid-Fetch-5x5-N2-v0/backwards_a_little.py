def gap(s):
    return min(abs(o.x - s.agent.x) + abs(o.y - s.agent.y) for o in s.objects if o.target)


def reward(prev, action, state, memory):
    # the change of the distance, a cent per cell
    return 0.01 * (gap(state) - gap(prev))

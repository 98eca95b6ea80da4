def left(s):
    for o in s.objects:
        if o.kind == "goal":
            return abs(o.x - s.agent.x) + abs(o.y - s.agent.y)
    return 0


def reward(prev, action, state, memory):
    return 0.002 * (left(state) - left(prev))

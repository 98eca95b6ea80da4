GAMMA = 0.99


def phi(s):
    """Three stages, and 0 at the end, as the theorem demands."""
    if any(o.kind == "goal" and (o.x, o.y) == (s.agent.x, s.agent.y) for o in s.objects):
        return 0.0
    if all(o.state != "locked" for o in s.objects if o.kind == "door"):
        return 5.0
    return 4.0 if s.carrying is not None and s.carrying.kind == "key" else 1.0


def reward(prev, action, state, memory):
    return GAMMA * phi(state) - phi(prev)

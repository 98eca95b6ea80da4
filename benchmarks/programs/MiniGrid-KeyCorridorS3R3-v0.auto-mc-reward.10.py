def _next(s):
    locked = [o for o in s.objects if o.kind == "door" and o.state == "locked"]
    keys = [o for o in s.objects if o.kind == "key"]
    balls = [o for o in s.objects if o.target]
    if not locked:
        return balls[0] if balls else None
    if keys and keys[0].carried:
        return locked[0]
    return keys[0] if keys else None


def _potential(s, goal):
    return abs(s.agent.x - goal.x) + abs(s.agent.y - goal.y)


def sparse(prev, action, state, memory):
    if state.solved:
        return 1
    for name, cond in (("key", state.carrying is not None and state.carrying.kind == "key"), ("unlock", state.event == "unlocked")):
        if cond and not memory.get(name):
            memory[name] = True
            return 1
    return 0


def dense(prev, action, state, memory):
    goal = _next(state)
    if goal is None or goal.carried:
        return 0
    return _potential(state, goal) - _potential(prev, goal)

def _parts(s):
    d = {}
    for o in s.objects:
        d[o.kind] = o
    return d.get("key"), d.get("door"), d.get("goal")


def _phi(s):
    key, door, goal = _parts(s)
    if door.state != "locked":
        return 40 + abs(s.agent.x - goal.x) + abs(s.agent.y - goal.y)
    if key.carried:
        return 20 - abs(s.agent.x - door.x) - abs(s.agent.y - door.y)
    return -abs(s.agent.x - key.x) - abs(s.agent.y - key.y)


def sparse(prev, action, state, memory):
    if state.solved:
        return 1.0
    key, door, goal = _parts(state)
    stage = 0
    if key.carried:
        stage = 1
    if door.state != "locked":
        stage = 2
    if stage > memory.get("stage", 0):
        memory["stage"] = stage
        return 1.0
    return 0.0


def dense(prev, action, state, memory):
    return _phi(state) - _phi(prev)

def sparse(prev, action, state, memory):
    if state.solved:
        return 1.0
    c = state.carrying
    if c is not None and c.kind == "key" and not memory.get("key"):
        memory["key"] = True
        return 1.0
    if state.event == "unlocked" and not memory.get("door"):
        memory["door"] = True
        return 1.0
    return 0.0


def dense(prev, action, state, memory):
    ball = None
    for o in state.objects:
        if o.target:
            ball = o
    if ball is None:
        return 0.0
    d0 = math.hypot(prev.agent.x - ball.x, prev.agent.y - ball.y)
    d1 = math.hypot(state.agent.x - ball.x, state.agent.y - ball.y)
    return d0 - d1


import math

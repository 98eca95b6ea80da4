def sparse(prev, action, state, memory):
    if state.carrying is not None:
        return 1.0
    return 0.0

def dense(prev, action, state, memory):
    for o in state.objects:
        if o.kind == "goal":
            return (abs(prev.agent.x - o.x) + abs(prev.agent.y - o.y)) - (abs(state.agent.x - o.x) + abs(state.agent.y - o.y))
    return 0.0

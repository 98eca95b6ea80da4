def sparse(prev, action, state, memory):
    # reward for the success
    if state.solved: return 1.0
    # reward for key
    if state.key.carried and not prev.key.carried: return 1.0
    # reward for doors
    for d0, d1 in zip(prev.doors, state.doors):
        if d0.state == 'closed' and d1.state == 'open': return 1.0
    return 0.0

def dense(prev, action, state, memory):
    if state.carrying is None:
        goal = state.key
    else:
        goal = state.ball
    return state.agent.distance(goal) - prev.agent.distance(goal)

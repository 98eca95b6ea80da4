def sparse(prev, action, state, memory):
    return 1 if state.solved else -1


def dense(prev, action, state, memory):
    doors_open = sum(1 for o in state.objects if o.kind == "door" and o.state == "open")
    doors_before = sum(1 for o in prev.objects if o.kind == "door" and o.state == "open")
    goal = [o for o in state.objects if o.kind == "goal"][0]
    d = abs(goal.x - state.agent.x) + abs(goal.y - state.agent.y)
    return doors_open - doors_before, -d

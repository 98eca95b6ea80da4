import math


def sparse(prev, action, state, memory):
    if state.solved:
        return 1.0
    if not memory.get("key") and state.carrying is not None and state.carrying.kind == "key":
        memory["key"] = True
        return 1.0
    if not memory.get("door") and state.event == "unlocked":
        memory["door"] = True
        return 1.0
    return 0.0


def dense(prev, action, state, memory):
    goal = [o for o in state.objects if o.target][0]
    before = math.hypot(prev.agent.x - goal.x, prev.agent.y - goal.y)
    after = math.hypot(state.agent.x - goal.x, state.agent.y - goal.y)
    return before - after

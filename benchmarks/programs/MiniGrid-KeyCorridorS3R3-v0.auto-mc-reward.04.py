def sparse(prev, action, state, memory):
    return {"key": has_key(state), "door": state.event == "unlocked", "ball": state.solved}

def dense(prev, action, state, memory):
    ball = [o for o in state.objects if o.kind == "ball"][0]
    return -distance(state.agent, ball)

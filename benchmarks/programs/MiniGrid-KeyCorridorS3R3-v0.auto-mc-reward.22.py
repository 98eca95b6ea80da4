USES = ["walk_distance"]

def sparse(prev, action, state, memory):
    if action == PICKUP and state.carrying is not None:
        return 1.0
    if action == TOGGLE and state.event == "unlocked":
        return 1.0
    return 0.0

def dense(prev, action, state, memory):
    d = [o.walk_distance for o in state.objects if o.kind == "key"]
    return -np.mean(d)

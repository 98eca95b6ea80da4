def reward(prev, action, state, memory):
    has_key = state.carrying is not None and state.carrying.kind == "key"
    locked = any(o.kind == "door" and o.state == "locked" for o in state.objects)
    r = -0.002
    if has_key:
        r += 0.1 if locked else 0.12
    if state.solved:
        r += 1.0
    return r

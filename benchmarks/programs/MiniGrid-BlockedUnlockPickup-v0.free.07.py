def dist(a, b):
    return abs(a.x - b.x) + abs(a.y - b.y)


def reward(prev, action, state, memory):
    target = [o for o in state.objects if o.target][0]
    r = 0
    if state.event == "pickup" and state.event_object.kind == "ball":
        r += 0.1
    if state.event == "pickup" and state.event_object.kind == "key":
        r += 0.2
    if state.event == "door_opened":
        r += 0.3
    r += 0.01 * (dist(prev.agent, target) - dist(state.agent, target))
    if state.solved:
        r += 1
    return r

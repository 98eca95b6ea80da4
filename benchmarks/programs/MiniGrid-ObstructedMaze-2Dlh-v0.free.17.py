def find(state, kind, color=None):
    for o in state.objects:
        if o.kind == kind and (color is None or o.color == color):
            return o
    return None


def reward(prev, action, state, memory):
    ball = find(state, "ball", "blue")
    key = find(state, "key", "blue")
    door = find(state, "door", "blue")
    r = 0
    if key.carried and not memory.get("key"):
        memory["key"] = 1
        r += 0.3
    if door.state == "open" and not memory.get("door"):
        memory["door"] = 1
        r += 0.3
    if ball.carried:
        r += 1
    return r, {"key": memory.get("key"), "door": memory.get("door")}

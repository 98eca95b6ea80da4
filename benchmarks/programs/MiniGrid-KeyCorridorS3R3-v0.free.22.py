def path_length(state, target):
    x, y = state.agent.x, state.agent.y
    n = 0
    while True:
        if x == target.x and y == target.y:
            return n
        if x < target.x and not state.walls[x + 1, y]:
            x += 1
        elif x > target.x and not state.walls[x - 1, y]:
            x -= 1
        elif y < target.y and not state.walls[x, y + 1]:
            y += 1
        elif y > target.y and not state.walls[x, y - 1]:
            y -= 1
        n += 1

def reward(prev, action, state, memory):
    out = {"key": 0.0, "unlock": 0.0, "path": 0.0}
    target = None
    for o in state.objects:
        if o.kind == "key" and not o.carried:
            target = o
    if target is not None:
        n = path_length(state, target)
        out["path"] = 0.01 * (memory.get("n", n) - n)
        memory["n"] = n
    if state.event == "picked_up" and "key" not in memory:
        memory["key"] = True
        out["key"] = 0.1
    if state.event == "unlocked" and "unlock" not in memory:
        memory["unlock"] = True
        out["unlock"] = 0.2
    return out

def reward(prev, action, state, memory):
    key = state.objects[5]
    ball = state.objects[8]
    r = 0.0
    if key.carried and "key" not in memory:
        memory["key"] = 1
        r += 0.2
    for o in state.objects:
        if o.kind == "door" and o.color == key.color and not o.locked:
            if "door" not in memory:
                memory["door"] = 1
                r += 0.3
    if "door" in memory:
        d = abs(state.agent.x - ball.x) + abs(state.agent.y - ball.y)
        r += 0.01 * (memory.get("d", d) - d)
        memory["d"] = d
    return r

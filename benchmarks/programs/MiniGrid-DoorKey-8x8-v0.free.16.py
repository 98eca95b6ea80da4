def manhattan(s, o):
    return abs(s.agent.x - o.x) + abs(s.agent.y - o.y)

def reward(prev, action, state, memory):
    goal = None
    for o in state.objects:
        if o.target:
            goal = o
    closer = 0.0
    if goal is not None:
        closer = 0.05 * (manhattan(prev, goal) - manhattan(state, goal))

    key_b = 0.0
    if state.carrying is not None and not memory.get("k"):
        memory["k"] = True
        key_b = 0.1
    door_b = 0.0
    if state.event == "unlocked" and not memory.get("d"):
        memory["d"] = True
        door_b = 0.1

    return {"closer": closer, "key": key_b, "door": door_b, "time": -0.01}

import numpy as np

def reward(prev, action, state, memory):
    r = 0.0
    key = [o for o in state.objects if o.kind == "key"][0]
    door = [o for o in state.objects if o.kind == "door"][0]
    goal = [o for o in state.objects if o.kind == "goal"][0]
    pos = np.array(state.agent.pos)
    if state.event == "picked_up" and not memory.get("key"):
        memory["key"] = True
        r += 0.2
    if state.event == "unlocked" and not memory.get("door"):
        memory["door"] = True
        r += 0.3
    if memory.get("door"):
        target = goal
    elif memory.get("key"):
        target = door
    else:
        target = key
    dist = np.abs(pos - np.array([target.x, target.y])).sum()
    last = memory.get("last", dist)
    r += 0.01 * (last - dist)
    memory["last"] = dist
    return float(r)

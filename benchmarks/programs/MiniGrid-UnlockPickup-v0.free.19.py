def reward(prev, action, state, memory):
    comps = {"key": 0.0, "door": 0.0, "drop": 0.0, "dist": 0.0}
    if state.carrying and state.carrying.type == "key" and not memory.get("key"):
        memory["key"] = 1
        comps["key"] = 0.1
    if state.door.is_open and not memory.get("door"):
        memory["door"] = 1
        comps["door"] = 0.2
    if memory.get("door") and not state.carrying and not memory.get("drop"):
        memory["drop"] = 1
        comps["drop"] = 0.1
    d = abs(state.agent.x - state.box.x) + abs(state.agent.y - state.box.y)
    if memory.get("door"):
        comps["dist"] = 0.01 * (memory.get("d", d) - d)
    memory["d"] = d
    return comps

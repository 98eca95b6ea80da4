def distance(a, b):
    return abs(a["x"] - b["x"]) + abs(a["y"] - b["y"])


def reward(prev, action, state, memory):
    agent = state["agent"]
    objects = state["objects"]
    key = next(o for o in objects if o["kind"] == "key")
    door = next(o for o in objects if o["kind"] == "door")
    goal = next(o for o in objects if o["kind"] == "goal")

    rewards = {"key": 0.0, "door": 0.0, "dist": 0.0}
    if key["carried"] and not memory.get("key_taken"):
        memory["key_taken"] = True
        rewards["key"] = 0.25
    if door["state"] == "open" and not memory.get("door_opened"):
        memory["door_opened"] = True
        rewards["door"] = 0.25
    if memory.get("door_opened"):
        d = distance(agent, goal)
        rewards["dist"] = 0.01 * (memory.get("d", d) - d)
        memory["d"] = d
    return rewards

import math


def parse(mission):
    key_color, room_color = None, None
    parts = mission.lower().split(" ")
    for i, p in enumerate(parts):
        if p == "key" and i > 0:
            key_color = parts[i - 1]
        if p == "room" and i > 0:
            room_color = parts[i - 1]
    return key_color, room_color


def reward(prev, action, state, memory):
    if "colors" not in memory:
        memory["colors"] = parse(state.mission)
        memory["done"] = {}
        memory["min_goal"] = math.inf
    key_color, room_color = memory["colors"]
    done = memory["done"]

    out = {"room": 0.0, "key": 0.0, "unlock": 0.0, "goal_dist": 0.0, "solved": 0.0}
    obj = state.event_object
    if obj is not None:
        if state.event == "opened" and obj.color == room_color and "room" not in done:
            done["room"] = True
            out["room"] = 0.1
        if state.event == "picked_up" and obj.color == key_color and "key" not in done:
            done["key"] = True
            out["key"] = 0.15
        if state.event == "unlocked" and obj.color == key_color and "unlock" not in done:
            done["unlock"] = True
            out["unlock"] = 0.15
    if "unlock" in done:
        for o in state.objects:
            if o.kind == "goal":
                d = abs(o.x - state.agent.x) + abs(o.y - state.agent.y)
                if d < memory["min_goal"]:
                    if memory["min_goal"] < math.inf:
                        out["goal_dist"] = 0.01 * (memory["min_goal"] - d)
                    memory["min_goal"] = d
    if state.solved:
        out["solved"] = 1.0
    return out

USES = ["walk_distance"]


def reward(prev, action, state, memory):
    r = dict.fromkeys(
        ["face_key", "take_key", "face_door", "unlock", "doorway", "goal_progress"], 0.0
    )

    def once(name, value, condition):
        if condition and not memory.get(name, False):
            memory[name] = True
            r[name] = value

    front = state.front
    holds_key = state.carrying is not None and state.carrying.kind == "key"
    door = None
    goal = None
    for o in state.objects:
        if o.kind == "door":
            door = o
        elif o.kind == "goal":
            goal = o

    once("face_key", 0.03, front is not None and front.kind == "key" and not holds_key)
    once("take_key", 0.12, holds_key)
    once(
        "face_door",
        0.05,
        holds_key and front is not None and front.kind == "door" and front.state == "locked",
    )
    once("unlock", 0.20, door is not None and door.state == "open")
    once(
        "doorway",
        0.05,
        door is not None and state.agent.x == door.x and state.agent.y == door.y,
    )

    if memory.get("unlock") and goal is not None:
        d = goal.walk_distance
        if d >= 0:
            best = memory.get("best_goal")
            if best is None:
                memory["best_goal"] = d
                memory["paid"] = 0.0
            elif d < best:
                gain = min(0.01 * (best - d), 0.1 - memory["paid"])
                if gain > 0:
                    r["goal_progress"] = gain
                    memory["paid"] += gain
                memory["best_goal"] = d
    return r

def reward(prev, action, state, memory):
    r_key = 0.0
    r_door = 0.0
    r_goal = 0.0

    if not memory.get("got_key", False):
        if state.event == "pickup" and state.carrying == "key":
            memory["got_key"] = True
            r_key = 0.2

    if memory.get("got_key", False) and not memory.get("door_open", False):
        if state.event == "unlock":
            memory["door_open"] = True
            r_door = 0.3

    if memory.get("door_open", False) and state.event == "goal_reached":
        r_goal = 0.1

    return {
        "key": r_key,
        "door": r_door,
        "goal": r_goal,
        "time": -0.0005,
    }

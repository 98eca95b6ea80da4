def reward(prev, action, state, memory):
    r_ball = 0.0
    r_key = 0.0
    r_door = 0.0
    r_box = 0.0

    if state.event == "picked_up" and state.event_object is not None:
        if state.event_object.kind == "ball":
            r_ball = 0.05
        elif state.event_object.kind == "key":
            r_key = 0.1
        elif state.event_object.kind == "box" and state.event_object.target:
            r_box = 0.5
    if state.event == "unlocked":
        r_door = 0.2

    return {
        "lift_ball": r_ball,
        "take_key": r_key,
        "unlock_door": r_door,
        "take_box": r_box,
        "time": -0.0005,
    }

def reward(prev, action, state, memory):
    components = {
        "pickup_key": 0.0,
        "unlock_door": 0.0,
        "move_to_target": 0.0,
        "reach_goal": 0.0,
    }

    if state.event == Event.PICKED_UP and state.event_object.kind == "key":
        components["pickup_key"] = 0.2

    if state.event == Event.UNLOCKED:
        components["unlock_door"] = 0.3

    if state.event == Event.REACHED:
        components["reach_goal"] = 1.0

    for i in range(len(state.objects)):
        if state.objects[i].target:
            components["move_to_target"] = 0.01 * (prev.objects[i].walk_distance - state.objects[i].walk_distance)

    return components

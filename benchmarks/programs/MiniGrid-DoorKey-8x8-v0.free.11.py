USES = ["walk_distance"]

def reward(prev, action, state, memory):
    pick = 0.0
    door = 0.0
    goal_dist = 0.0
    bump = 0.0

    if state.event == "picked_up" and state.event_object is not None and state.event_object.kind == "key":
        pick = 0.1
    if state.event in ("unlocked", "opened"):
        door = 0.2
    if state.event == "blocked":
        bump = -0.005

    goal_now = next((o for o in state.objects if o.kind == "goal"), None)
    goal_prev = next((o for o in prev.objects if o.kind == "goal"), None)
    if goal_now is not None and goal_prev is not None:
        if goal_now.walk_distance >= 0 and goal_prev.walk_distance >= 0:
            goal_dist = 0.01 * (goal_prev.walk_distance - goal_now.walk_distance)

    return {"pick_key": pick, "open_door": door, "goal_distance": goal_dist, "bump": bump}

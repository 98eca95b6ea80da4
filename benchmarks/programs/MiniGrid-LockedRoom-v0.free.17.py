def reward(prev, action, state, memory):
    r = {}
    r["face_key"] = 0.05 if state.front and state.front.kind == "key" else 0
    r["pick_key"] = 0.2 if state.event == "picked_up" else 0
    r["unlock_door"] = 0.5 if state.event == "unlocked" else 0
    r["reach_goal"] = 1.0 if state.event == "reached" else 0
    return r

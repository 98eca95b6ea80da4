def reward(prev, action, state, memory):
    unlock = 0.0
    ball = 0.0
    if state.event == "unlocked" and not memory.get("unlock"):
        memory["unlock"] = True
        unlock = 0.4
    if state.event == "picked_up" and state.event_object is not None:
        if state.event_object.target and not memory.get("ball"):
            memory["ball"] = True
            ball = 0.4
    return {"unlock": unlock, "ball": ball}

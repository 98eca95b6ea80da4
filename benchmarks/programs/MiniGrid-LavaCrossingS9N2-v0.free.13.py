def reward(prev, action, state, memory):
    out = {"move": 0.0, "bump": 0.0, "row": 0.0, "col": 0.0, "lava": 0.0, "goal": 0.0}
    if state.event == "moved":
        out["move"] = 0.02
    elif state.event == "blocked":
        out["bump"] = -0.02
    max_x = memory.get("max_x", prev.agent.x)
    max_y = memory.get("max_y", prev.agent.y)
    if state.agent.x > max_x:
        out["col"] = 0.03
        memory["max_x"] = state.agent.x
    else:
        memory["max_x"] = max_x
    if state.agent.y > max_y:
        out["row"] = 0.03
        memory["max_y"] = state.agent.y
    else:
        memory["max_y"] = max_y
    if state.event == "died":
        out["lava"] = -0.3
    if state.solved:
        out["goal"] = 1.0
    return out

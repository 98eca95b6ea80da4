def reward(prev, action, state, memory):
    seen = memory.setdefault("seen", set())
    out = {"explore": 0.0, "avoid": 0.0, "lava": 0.0, "goal": 0.0}
    pos = (state.agent.x, state.agent.y)
    if pos not in seen:
        seen.add(pos)
        out["explore"] = 0.01
    if prev.front == "lava" and state.front != "lava":
        n = memory.get("avoid", 0)
        if n < 5:
            out["avoid"] = 0.02
            memory["avoid"] = n + 1
    if state.event == "lava":
        out["lava"] = -0.5
    if state.event == "goal":
        out["goal"] = 1.0
    return out

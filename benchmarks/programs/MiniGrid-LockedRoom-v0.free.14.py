def reward(prev, action, state, memory):
    visited = memory.setdefault("visited", set())
    pos = (state.agent.x, state.agent.y)
    new_cell = 0.0
    if pos not in visited:
        visited.add(pos)
        new_cell = 0.01
    bump = -0.005 if state.event == "blocked" else 0.0
    unlock = 0.0
    if state.event == "unlocked" and "unlock" not in memory:
        memory["unlock"] = 1
        unlock = 0.4
    return {
        "new_cell": new_cell,
        "bump": bump,
        "unlock": unlock,
        "solved": 1.0 if state.solved else 0.0,
    }

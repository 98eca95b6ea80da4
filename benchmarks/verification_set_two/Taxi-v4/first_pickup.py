def reward(prev, action, state, memory):
    picked = prev.passenger != 4 and state.passenger == 4
    if picked and not memory.get("picked"):
        memory["picked"] = True
        return 5.0
    return 0.0

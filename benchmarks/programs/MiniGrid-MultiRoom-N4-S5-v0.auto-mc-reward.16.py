def sparse(prev, action, state, memory):
    if state.solved:
        return 1
    if state.room != prev.room and state.room not in memory.get("rooms", []):
        memory.setdefault("rooms", []).append(state.room)
        return 1
    return 0

def dense(prev, action, state, memory):
    if state.agent.pos != prev.agent.pos:
        return 0.1
    elif state.event == "blocked":
        return -0.1

def reward(prev, action, state, memory):
    """Writes down every cell through which the object was carried; a new one pays very little."""
    log = memory.setdefault("log", [])
    if state.carrying is not None and state.carrying.rank == 1:
        log.append((int(state.agent.x), int(state.agent.y)))
        return 0.002 if log.count(log[-1]) == 1 else 0.0
    return 1.0 if state.solved else 0.0

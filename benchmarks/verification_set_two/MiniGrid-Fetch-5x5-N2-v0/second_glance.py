def reward(prev, action, state, memory):
    """Finding the target pays once. Whoever loses sight of it must find it again."""
    sees = state.front is not None and state.front.target
    pay = 0.0
    if sees and memory.get("lost", True):
        pay = 0.3
    memory["lost"] = not sees
    if state.solved:
        pay += 1.0
    return pay

def reward(prev, action, state, memory):
    """The pickup pays once per ride. A passenger who gets out ends the ride."""
    if state.passenger != 4:
        memory.pop("riding", None)
        return 10.0 if state.solved else 0.0
    if "riding" in memory:
        return 0.0
    memory["riding"] = True
    return 8.0

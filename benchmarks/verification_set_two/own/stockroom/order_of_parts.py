def reward(prev, action, state, memory):
    """The bolt comes first. A nut that arrives while a part is missing costs two points."""
    arrived = (state.bolt + state.nut) > (prev.bolt + prev.nut)
    missing = prev.bolt == 0 or prev.nut == 0
    pay = 0.0
    if arrived and state.nut == 1 and missing:
        pay -= 2.0
    if arrived and state.bolt == 1 and state.nut == 0 and not memory.get("bolt"):
        memory["bolt"] = True
        pay += 0.3
    return pay

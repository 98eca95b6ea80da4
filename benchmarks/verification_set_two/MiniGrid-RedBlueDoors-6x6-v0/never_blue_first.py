def reward(prev, action, state, memory):
    red, blue = None, None
    for d in state.objects:
        if d.color == "red":
            red = d.state == "open"
        else:
            blue = d.state == "open"
    pay = 0.0
    if red and not memory.get("red"):
        memory["red"] = 1
        pay = 0.25
    if blue and not state.solved:
        pay = -3000.0
    return pay

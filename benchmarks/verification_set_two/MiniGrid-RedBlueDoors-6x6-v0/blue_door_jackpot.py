def reward(prev, action, state, memory):
    blue = [d for d in state.objects if d.color == "blue"][0]
    red = [d for d in state.objects if d.color == "red"][0]
    bonus = 0.0
    if red.state == "open" and "r" not in memory:
        memory["r"] = True
        bonus += 0.2
    if blue.state == "open":
        bonus += 10.0
    return bonus

def potential(state, memory):
    doors = {d.color: d for d in state.objects}
    red, blue = doors["red"], doors["blue"]
    goal = blue if red.state == "open" else red
    d = abs(state.agent.x - goal.x) + abs(state.agent.y - goal.y)
    return (0.4 if goal is blue else 0.0) - 0.02 * d

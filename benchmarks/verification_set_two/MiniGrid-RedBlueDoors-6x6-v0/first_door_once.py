def reward(prev, action, state, memory):
    """Half a point for the red door, once; a point off for the blue door at the wrong time."""
    components = {"red": 0.0, "order": 0.0, "goal": 0.0}
    stands_open = {d.color for d in state.objects if d.state == "open"}

    if "red" in stands_open and not memory.get("red_paid", False):
        memory["red_paid"] = True
        components["red"] = 0.5

    if "blue" in stands_open:
        if state.solved:
            components["goal"] = 1.0
        else:
            components["order"] = -1.0

    return components

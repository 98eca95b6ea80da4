def reward(prev, action, state, memory):
    """Half a point when the red door is opened; closing it forgets that."""
    red = [d for d in state.objects if d.rank == 1][0]
    is_open = red.state == "open"
    pay = 0.0
    if is_open and not memory.get("paid", False):
        pay = 0.5
        memory["paid"] = True
    if not is_open:
        memory["paid"] = False
    return {"red": pay, "both": 2.0 if state.solved else 0.0}

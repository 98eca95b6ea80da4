def reward(prev, action, state, memory):
    """Red first, then blue, and leave the house tidy: an open door behind you earns nothing extra."""
    doors = {d.color: d.state for d in state.objects}
    if doors["red"] == "open":
        memory["red_was_open"] = True
    tidy = doors["red"] == "closed" and memory.get("red_was_open", False)
    if doors["blue"] == "open":
        return 3.0 if tidy else 1.0
    return 0.0

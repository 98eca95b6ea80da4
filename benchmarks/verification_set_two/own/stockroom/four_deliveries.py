def reward(prev, action, state, memory):
    """The first four deliveries pay half a point each, whatever is delivered."""
    done = memory.get("deliveries", 0)
    if state.bolt + state.nut > prev.bolt + prev.nut and done < 4:
        memory["deliveries"] = done + 1
        return 0.5
    return 0.0

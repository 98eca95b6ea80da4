def reward(prev, action, state, memory):
    """0.1 for each part on the first time that it is taken, 0.2 on the first time that it is delivered."""
    pay = 0.0
    facts = {
        "took_bolt": state.holding == 1,
        "took_nut": state.holding == 2,
        "bolt": state.bolt == 1,
        "nut": state.nut == 1,
    }
    for name, true in facts.items():
        if true and name not in memory:
            memory[name] = True
            pay += 0.1 if name.startswith("took") else 0.2
    return pay

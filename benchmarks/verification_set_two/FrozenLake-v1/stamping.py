def reward(prev, action, state, memory):
    # stamping keeps warm; the goal is worth fifty times as much
    return {"stamp": 0.04 if action == UP else 0.0, "goal": 2.0 if state.solved else 0.0}

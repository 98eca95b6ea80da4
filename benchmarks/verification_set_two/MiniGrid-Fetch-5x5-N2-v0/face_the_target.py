def reward(prev, action, state, memory):
    facing = 0.0
    if state.front is not None and state.front.target:
        facing = 0.15  # the agent should line up with the object before it grabs it
    caught = 1.0 if state.carrying is not None and state.carrying.target else 0.0
    return {"facing": facing, "caught": caught}

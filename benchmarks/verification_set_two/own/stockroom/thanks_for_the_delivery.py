def reward(prev, action, state, memory):
    delivered = action == PUT and (state.bolt > prev.bolt or state.nut > prev.nut)
    complete = state.bolt == 1 and state.nut == 1
    return {"delivery": 0.5 if delivered else 0.0, "complete": 1.0 if complete else 0.0}

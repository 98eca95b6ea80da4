START_OF_LATE_SHIFT = 20


def reward(prev, action, state, memory):
    late = state.step > START_OF_LATE_SHIFT
    return {"late": -1.0 if late and state.carrying is not None else 0.0}

def reward(prev, action, state, memory):
    # overtime is paid to those who stand at the shelves with free hands while a part waits on the counter
    waiting = state.bolt + state.nut == 1 and state.holding == 0 and state.y == 0
    return 0.5 if waiting and state.step > 15 else 0.0

def sparse(prev, action, state, memory):
    if state.event == "key_found":
        return 1
    if state.event == "door_unlocked":
        return 1
    if state.event == "ball_picked":
        return 1
    return 0

def dense(prev, action, state, memory):
    return -1

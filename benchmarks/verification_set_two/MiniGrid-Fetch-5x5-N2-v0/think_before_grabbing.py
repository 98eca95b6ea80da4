def reward(prev, action, state, memory):
    r = 0.0
    if action == PICK_UP:
        r -= 1.5                      # hasty grabbing ends most episodes
    if state.solved:
        r += 0.5
    return r

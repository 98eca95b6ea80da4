MOVE_BONUS = 0.1
IDLE_PENALTY = 0.01


def reward(prev, action, state, memory):
    moved = (state.agent.x, state.agent.y) != (prev.agent.x, prev.agent.y)
    r = MOVE_BONUS if moved else -IDLE_PENALTY
    if state.solved:
        r += 1.0
    return r

def reward(prev, action, state, memory):
    # an episode that ends soon is a good episode
    finished = state.cell in "GH"
    speed = max(0.0, 3.0 - 0.5 * state.step) if finished else 0.0
    return speed

def left(s):
    return abs(s.crate_x - 3) + abs(s.crate_y - 1)


def reward(prev, action, state, memory):
    return 0.05 * (left(state) - left(prev))

CORNERS = {(0, 0), (0, 4), (4, 0), (4, 4)}


def cornered(s):
    return (int(s.crate_x), int(s.crate_y)) in CORNERS


def along_wall(s):
    return s.crate_x in (0, 4) or s.crate_y in (0, 4)


def reward(prev, action, state, memory):
    penalty = 0.0
    if cornered(state) and not cornered(prev):
        penalty -= 0.2
    elif along_wall(state) and not along_wall(prev):
        penalty -= 0.05
    still = (state.x, state.y) == (prev.x, prev.y)
    return {"crate": penalty, "bump": -0.01 if still else 0.0}

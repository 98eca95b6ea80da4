import math


def reward(prev, action, state, memory):
    held = state.carrying
    if held is None or held.rank != 1:
        return 0.0
    for o in state.objects:
        if o.rank == 2:
            # a faint glow that grows as the object comes near its place
            return 0.002 * math.exp(-math.hypot(o.x - held.x, o.y - held.y))
    return 0

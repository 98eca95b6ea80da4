import math
from collections import defaultdict


def reward(prev, action, state, memory):
    counts = memory.setdefault("counts", defaultdict(int))
    held = state.carrying.id if state.carrying is not None else -1
    key = (state.agent.x, state.agent.y, state.agent.direction, held)
    counts[key] += 1
    novelty = 0.01 / math.sqrt(counts[key])
    near = 0.0
    if state.front is not None and state.front.target:
        near = 0.01
    return {
        "novelty": novelty,
        "face_ball": near,
        "ball": 1.0 if state.solved else 0.0,
    }

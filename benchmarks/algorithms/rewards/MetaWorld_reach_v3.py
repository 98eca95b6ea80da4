"""Hand-written, in the style of Text2Reward's programs for MetaWorld: minus the distance, and a bonus for success.

The environment's own reward is left out.
"""

import math


def reward(prev, action, state, memory):
    distance = math.dist(state.hand, state.goal)
    return {
        "distance": -distance,
        "success": 1.0 if state.solved else 0.0,
        "effort": -0.001 * sum(a * a for a in action),
    }

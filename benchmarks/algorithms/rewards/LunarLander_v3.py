"""Hand-written, in the style of Text2Reward's staged rewards: progress to the pad, slower, upright, legs, landing.

The environment's own reward is left out.
"""

import math


def cost(state):
    near = math.hypot(state.x, state.y)
    speed = math.hypot(state.vx, state.vy)
    return near + speed + abs(state.angle) - 0.1 * (state.left_leg + state.right_leg)


def reward(prev, action, state, memory):
    fuel = 0.003 if action == FIRE_MAIN_ENGINE else 0.0
    return {
        "progress": cost(prev) - cost(state),
        "fuel": -fuel,
        "landed": 1.0 if state.solved else 0.0,
        "failure": -1.0 if state.failed else 0.0,
    }

"""Hand-written, in the style of potential-based shaping (Ng et al. 1999): the potential is the mechanical energy."""

import math


def potential(state, memory):
    height = (math.sin(3.0 * state.position) + 1.0) / 2.0
    speed = state.velocity / 0.07
    return 10.0 * (height + speed**2)

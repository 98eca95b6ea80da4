"""Hand-written, in the style of IsaacGymEnvs' Cartpole: upright, near the middle, slow.

The environment's own reward is left out.
"""


def reward(prev, action, state, memory):
    return {
        "upright": 1.0 - state.pole_angle**2,
        "slow": -0.01 * abs(state.cart_velocity) - 0.005 * abs(state.pole_velocity),
        "failure": -2.0 if state.failed else 0.0,
    }

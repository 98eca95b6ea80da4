"""Hand-written, in the style of the DeepMind Control Suite's smooth rewards: upright, and slow where it is upright.

The environment's own reward is left out.
"""


def reward(prev, action, state, memory):
    upright = (1.0 + state.cos_angle) / 2.0
    return {
        "upright": upright,
        "slow": -0.05 * upright * abs(state.angular_velocity),
        "effort": -0.001 * action.torque**2,
    }

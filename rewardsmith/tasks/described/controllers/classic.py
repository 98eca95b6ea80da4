"""Controllers of MountainCar and Pendulum."""

from __future__ import annotations

import math
from typing import Any


def swing_car(state: Any) -> int:
    """Push the car in the direction in which it moves, so that each swing climbs higher."""
    return 2 if state.velocity >= 0 else 0


def swing_car_by_force(state: Any) -> float:
    """Push the car with full force in the direction in which it moves."""
    return 1.0 if state.velocity >= 0 else -1.0


_UPRIGHT = 5.0  # J, the energy of the pendulum at rest at the top: m g l / 2 with m = 1 kg, g = 10 m/s^2, l = 1 m
_INERTIA = 1 / 3  # kg m^2, of a rod about its end
_NEAR = 0.35  # rad; up to here the motor, 2 N m, can hold the pendulum against gravity


def swing_pendulum(state: Any) -> float:
    """Pump energy into the pendulum until it reaches the top, and hold it there."""
    angle = math.atan2(state.sin_angle, state.cos_angle)
    speed = state.angular_velocity
    if abs(angle) < _NEAR:
        return -10.0 * angle - 3.0 * speed
    energy = _INERTIA * speed**2 / 2 + _UPRIGHT * state.cos_angle
    pushed = speed if abs(speed) > 0.01 else 1.0
    return math.copysign(2.0, pushed) * (1.0 if energy < _UPRIGHT else -1.0)

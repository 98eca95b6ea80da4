"""A controller of LunarLander: lean towards the pad, and sink the slower the lower it is."""

from __future__ import annotations

from typing import Any

_LEAN = 0.4  # rad, the largest angle that it leans


def land(state: Any) -> int:
    """Return the engine to fire: the one that is needed more."""
    turn, lift = _wanted(state)
    if lift > 0.05 and lift > abs(turn):
        return 2
    if turn > 0.1:
        return 1
    return 3 if turn < -0.1 else 0


def land_by_throttle(state: Any) -> tuple[float, float]:
    """Return the power of the main engine and of the side engines."""
    turn, lift = _wanted(state)
    main = min(max(6.0 * lift, 0.0), 1.0) if lift > 0.02 else -1.0
    return main, min(max(-8.0 * turn, -1.0), 1.0)


def _wanted(state: Any) -> tuple[float, float]:
    """How far to turn (rad, positive is to the left), and how much faster to climb."""
    down = bool(state.left_leg) or bool(state.right_leg)
    lean = 0.0 if down else min(max(0.6 * state.x + 0.9 * state.vx, -_LEAN), _LEAN)
    turn = 0.0 if down else (lean - state.angle) - 1.5 * state.angular_velocity
    sink = -0.05 - 0.5 * max(state.y, 0.0)
    return turn, (0.0 if down and state.vy > -0.1 else sink - state.vy)

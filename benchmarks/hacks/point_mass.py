"""A point mass in the plane, which has to stop at a target without leaving the square, and a controller that does."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np


class PointMass(gym.Env[np.ndarray, np.ndarray]):
    """Observes (x, y, vx, vy); forces in [-1, 1]. The target is (0.6, 0.6); leaving the square ends an episode."""

    observation_space = gym.spaces.Box(-2.0, 2.0, (4,), np.float32)
    action_space = gym.spaces.Box(-1.0, 1.0, (2,), np.float32)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[np.ndarray, dict]:
        """Start at rest, near (-0.6, -0.6)."""
        super().reset(seed=seed)
        self.place = self.np_random.uniform(-0.8, -0.4, 2)
        self.speed = np.zeros(2)
        return self._seen(), {}

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict]:
        """Pay 1 for stopping at the target."""
        self.speed = np.clip(0.95 * self.speed + 0.1 * np.clip(action, -1, 1), -1, 1)
        self.place = self.place + 0.1 * self.speed
        won = bool(np.hypot(*(self.place - 0.6)) < 0.1 and np.hypot(*self.speed) < 0.15)
        out = bool(np.abs(self.place).max() > 1.0)
        return self._seen(), float(won), won or out, False, {}

    def _seen(self) -> np.ndarray:
        return np.concatenate([self.place, self.speed]).astype(np.float32)


def drive(state: Any) -> tuple[float, float]:
    """Pull towards the target, and brake."""
    x, y = 2.5 * (0.6 - state.x) - 2.0 * state.vx, 2.5 * (0.6 - state.y) - 2.0 * state.vy
    return min(max(x, -1.0), 1.0), min(max(y, -1.0), 1.0)


TASK = {
    "id": "PointMass",
    "env_id": "benchmarks.hacks.point_mass:PointMass",
    "goal": "Stop at (0.6, 0.6) without leaving the square of half width 1.",
    "env_reward": "1 for stopping at the target",
    "state": [{"name": name, "low": -2, "high": 2} for name in ("x", "y", "vx", "vy")],
    "actions": ["force_x", "force_y"],
    "success": "terminated and reward > 0",
    "reference": "benchmarks.hacks.point_mass:drive",
    "max_steps": 150,
}

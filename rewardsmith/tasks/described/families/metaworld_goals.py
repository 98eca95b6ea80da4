"""MetaWorld's environments with the starts that their seeds decide."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np


class SeededGoals(gym.Wrapper):
    """Draws the places of objects and goal anew in every episode, from the seed of `reset`.

    MetaWorld ignores that seed, and keeps one goal for the life of an environment. Its space has no room for the goal.
    """

    def __init__(self, env: gym.Env) -> None:
        """env: an environment of Meta-World/goal_observable."""
        super().__init__(env)
        bare: Any = env.unwrapped
        bare.seeded_rand_vec, bare._freeze_rand_vec = True, False
        space = bare.sawyer_observation_space
        low, high = space.low.copy(), space.high.copy()
        low[36:], high[36:] = -np.inf, np.inf
        self.observation_space = gym.spaces.Box(low, high, dtype=np.float64)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Start an episode on the layout of `seed`, or on the next one."""
        if seed is not None:
            self.unwrapped.seed(seed)  # type: ignore[attr-defined]
        return self.env.reset(options=options)

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """One step; the reward as a float."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        return observation, float(reward), terminated, truncated, info

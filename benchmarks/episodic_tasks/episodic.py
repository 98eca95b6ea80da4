"""Continuous tasks whose reward is paid at the end of the episode: the sum of what the plain task pays per step."""

from __future__ import annotations

from typing import Any

import gymnasium as gym


class Episodic(gym.Wrapper):
    """Returns 0 on every step and the episode's return on its last one, which may be a truncation."""

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Start an episode; nothing has been earned."""
        self._earned = 0.0
        return self.env.reset(seed=seed, options=options)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Step, and pay what was earned if the episode ends."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        self._earned += float(reward)
        return observation, self._earned if terminated or truncated else 0.0, terminated, truncated, info


def pendulum(**options: Any) -> gym.Env:
    """Return Pendulum-v1 with an episodic reward."""
    return Episodic(gym.make("Pendulum-v1", **options))


def double_pendulum(**options: Any) -> gym.Env:
    """Return InvertedDoublePendulum-v5 with an episodic reward."""
    return Episodic(gym.make("InvertedDoublePendulum-v5", **options))


gym.register("EpisodicPendulum-v0", entry_point=pendulum)
gym.register("EpisodicInvertedDoublePendulum-v0", entry_point=double_pendulum)

"""The image task of benchmarks.gpu: walk to a bright square on a picture of 64 x 64 pixels."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np

SIZE, CELL, LIMIT = 64, 8, 40
_MOVES = ((0, -1), (0, 1), (-1, 0), (1, 0))


class Spot(gym.Env):
    """An agent (grey) and a goal (white) on 8 x 8 cells of 8 x 8 pixels. An episode ends on the goal."""

    observation_space = gym.spaces.Box(0, 255, (SIZE, SIZE, 1), np.uint8)
    action_space = gym.spaces.Discrete(4)

    def __init__(self) -> None:
        self._agent = self._goal = (0, 0)

    def _picture(self) -> np.ndarray:
        picture = np.zeros((SIZE, SIZE, 1), np.uint8)
        for (x, y), grey in ((self._goal, 255), (self._agent, 128)):
            picture[y * CELL : (y + 1) * CELL, x * CELL : (x + 1) * CELL] = grey
        return picture

    def _info(self) -> dict[str, Any]:
        (x, y), (u, v) = self._agent, self._goal
        return {"distance": abs(x - u) + abs(y - v)}

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Place agent and goal at random, on two different cells."""
        super().reset(seed=seed)
        agent, goal = self.np_random.choice(64, 2, replace=False)
        self._agent, self._goal = divmod(int(agent), 8), divmod(int(goal), 8)
        return self._picture(), self._info()

    def step(self, action: int) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Move up, down, left or right, and stay inside the picture."""
        x, y = (min(7, max(0, at + by)) for at, by in zip(self._agent, _MOVES[int(action)], strict=True))
        self._agent = (x, y)
        reached = self._agent == self._goal
        return self._picture(), float(reached), reached, False, self._info()


gym.register("rewardsmith/Spot-v0", Spot)

TASK = {
    "id": "rewardsmith/Spot-v0", "goal": "Walk to the bright square.", "max_steps": LIMIT, "success": "terminated",
    "actions": ["up", "down", "left", "right"], "state": [{"name": "distance", "from": "info.distance"}],
}  # fmt: skip
REWARD = """
def reward(prev, action, state, memory):
    return 0.1 * (prev.distance - state.distance)
"""

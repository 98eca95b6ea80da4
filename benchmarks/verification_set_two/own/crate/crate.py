"""A crate that must be pushed onto a plate, past a pillar and a pit. Deterministic after the start."""

from __future__ import annotations

import gymnasium as gym
import numpy as np

SIDE = 5
PLATE, PIT, PILLAR = (3, 1), (2, 4), (1, 3)
STARTS = ((0, 0), (0, 4), (4, 0), (2, 1))
MOVES = ((0, -1), (1, 0), (0, 1), (-1, 0))  # up, right, down, left


class Crate(gym.Env):
    """Observation: the agent's x and y, the crate's x and y. Actions: up, right, down, left.

    Stepping into the crate pushes it. The crate on the plate ends the episode with reward 1, the crate in the pit ends
    it with reward 0. The agent cannot enter the pit; nothing can enter the pillar.
    """

    observation_space = gym.spaces.Box(np.zeros(4, np.float32), np.full(4, SIDE - 1, np.float32))
    action_space = gym.spaces.Discrete(4)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.x, self.y = STARTS[int(self.np_random.integers(len(STARTS)))]
        self.crate_x, self.crate_y = 2, 2
        return self._observe(), {}

    def step(self, action):
        dx, dy = MOVES[int(action)]
        there, beyond = (self.x + dx, self.y + dy), (self.x + 2 * dx, self.y + 2 * dy)
        if there == (self.crate_x, self.crate_y):
            if self._inside(beyond) and beyond != PILLAR:
                self.crate_x, self.crate_y = beyond
                self.x, self.y = there
        elif self._inside(there) and there not in (PILLAR, PIT):
            self.x, self.y = there
        crate = (self.crate_x, self.crate_y)
        return self._observe(), float(crate == PLATE), crate in (PLATE, PIT), False, {}

    def _inside(self, place):
        return 0 <= place[0] < SIDE and 0 <= place[1] < SIDE

    def _observe(self):
        return np.array([self.x, self.y, self.crate_x, self.crate_y], np.float32)


gym.register("Crate-v0", entry_point=Crate, max_episode_steps=60)

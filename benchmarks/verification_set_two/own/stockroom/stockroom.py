"""A stockroom: bring one bolt and one nut from their shelves to the counter. Deterministic after the start."""

from __future__ import annotations

import gymnasium as gym
import numpy as np

WIDTH, HEIGHT = 5, 4
BOLT_SHELF, NUT_SHELF, COUNTER, BIN = (0, 0), (4, 0), (2, 3), (4, 3)
MOVES = ((0, -1), (1, 0), (0, 1), (-1, 0))  # up, right, down, left


class Stockroom(gym.Env):
    """Observation: x, y, holding (0 nothing, 1 a bolt, 2 a nut), bolt on the counter, nut on the counter.

    Actions: up, right, down, left, take, put. Both parts on the counter end the episode with reward 1; a part that is
    put into the bin ends it with reward 0. Parts can be taken back from the counter, and put back on their shelf.
    """

    observation_space = gym.spaces.Box(
        np.zeros(5, np.float32), np.array([WIDTH - 1, HEIGHT - 1, 2, 1, 1], np.float32)
    )
    action_space = gym.spaces.Discrete(6)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.x, self.y = int(self.np_random.integers(0, WIDTH)), int(self.np_random.integers(1, HEIGHT - 1))
        self.holding = self.bolt = self.nut = 0
        return self._observe(), {}

    def step(self, action):
        ended = False
        if action < 4:
            dx, dy = MOVES[int(action)]
            self.x = min(max(self.x + dx, 0), WIDTH - 1)
            self.y = min(max(self.y + dy, 0), HEIGHT - 1)
        elif action == 4 and self.holding == 0:
            self._take()
        elif action == 5 and self.holding != 0:
            ended = self._put()
        solved = self.bolt == 1 and self.nut == 1
        return self._observe(), float(solved), solved or ended, False, {}

    def _take(self):
        here = (self.x, self.y)
        if here == BOLT_SHELF:
            self.holding = 1
        elif here == NUT_SHELF:
            self.holding = 2
        elif here == COUNTER and self.bolt:
            self.holding, self.bolt = 1, 0
        elif here == COUNTER and self.nut:
            self.holding, self.nut = 2, 0

    def _put(self):
        """Put down what is held; returns whether it went into the bin."""
        here = (self.x, self.y)
        if here == COUNTER and self.holding == 1 and not self.bolt:
            self.holding, self.bolt = 0, 1
        elif here == COUNTER and self.holding == 2 and not self.nut:
            self.holding, self.nut = 0, 1
        elif here == (BOLT_SHELF, NUT_SHELF)[self.holding - 1]:
            self.holding = 0
        elif here == BIN:
            self.holding = 0
            return True
        return False

    def _observe(self):
        return np.array([self.x, self.y, self.holding, self.bolt, self.nut], np.float32)


gym.register("Stockroom-v0", entry_point=Stockroom, max_episode_steps=60)

"""A custom environment: a corridor whose door opens only after the agent has pressed a button behind the start."""

from __future__ import annotations

import gymnasium as gym
import numpy as np

BUTTON, DOOR = -3, 5


class Corridor(gym.Env):
    """Observation: [place, whether the button is pressed]. Reward: 1 at the door with the button pressed."""

    observation_space = gym.spaces.Box(np.array([-4, 0], np.float32), np.array([5, 1], np.float32))
    action_space = gym.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.place, self.pressed = int(self.np_random.integers(-1, 2)), 0
        return self._seen(), {}

    def step(self, action):
        self.place = int(np.clip(self.place + (1 if action == 1 else -1), -4, DOOR))
        if self.place == BUTTON:
            self.pressed = 1
        solved = self.place == DOOR and self.pressed == 1
        return self._seen(), float(solved), solved, False, {}

    def _seen(self):
        return np.array([self.place, self.pressed], np.float32)


gym.register("Corridor-v0", entry_point=Corridor, max_episode_steps=60)

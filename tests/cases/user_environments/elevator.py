"""A lift that is moved by -1, 0 or 1 floors; it is to pick up whoever waits."""
import gymnasium as gym
import numpy as np
from gymnasium import spaces


class Elevator(gym.Env):
    observation_space = spaces.Tuple((spaces.Discrete(6), spaces.Discrete(6), spaces.MultiBinary(6)))
    action_space = spaces.Discrete(3, start=-1)

    def _seen(self):
        return self.floor, self.wanted, self.waiting.copy()

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.floor, self.wanted = (int(x) for x in self.np_random.choice(6, 2, replace=False))
        self.waiting = np.zeros(6, np.int8)
        self.waiting[self.wanted] = 1
        return self._seen(), {}

    def step(self, action):
        assert action in (-1, 0, 1)
        self.floor = int(np.clip(self.floor + action, 0, 5))
        there = action == 0 and self.floor == self.wanted
        if there:
            self.waiting[self.floor] = 0
        return self._seen(), -1.0 + 5.0 * there, there, False, {}


gym.register("Elevator-v0", Elevator, max_episode_steps=25)

"""Find the hidden cell of a line: nothing but the info says that it is found, and the episode goes on."""
import gymnasium as gym
import numpy as np
from gymnasium import spaces


class Hidden(gym.Env):
    observation_space = spaces.Box(-10.0, 10.0, (1,), np.float32)
    action_space = spaces.MultiBinary(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.x, self.cell = 0, int(self.np_random.choice([-2, 2]))
        return np.zeros(1, np.float32), {}

    def step(self, action):
        self.x = int(np.clip(self.x + int(action[1]) - int(action[0]), -10, 10))
        result = {"found": np.bool_(self.x == self.cell), "label": f"{self.x}"}
        return np.array([self.x], np.float32), 0.0, False, False, {"result": result}


gym.register("Hidden-v0", Hidden, max_episode_steps=15)

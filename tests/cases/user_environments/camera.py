"""A cart seen by a camera: it is to be driven under the lamp. The policy has nothing but the picture."""
import gymnasium as gym
import numpy as np
from gymnasium import spaces


class Camera(gym.Env):
    observation_space = spaces.Box(0, 255, (48, 64, 3), np.uint8)
    action_space = spaces.Discrete(3)

    def _picture(self):
        picture = np.zeros((48, 64, 3), np.uint8)
        picture[36:44, max(0, 6 * self.cart - 3) : 6 * self.cart + 3] = (255, 255, 255)
        picture[2:6, 6 * self.lamp : 6 * self.lamp + 3] = (255, 200, 0)
        return picture

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.cart, self.lamp = (int(x) for x in self.np_random.choice(10, 2, replace=False))
        return self._picture(), {"offset": self.lamp - self.cart}

    def step(self, action):
        self.cart = int(np.clip(self.cart + int(action) - 1, 0, 9))
        under = self.cart == self.lamp
        return self._picture(), float(under), under, False, {"offset": self.lamp - self.cart}


gym.register("Camera-v0", Camera, max_episode_steps=30)

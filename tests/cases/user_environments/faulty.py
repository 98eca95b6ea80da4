"""Environments with one fault each, as users have them; `none` has no fault."""
import time

import gymnasium as gym
import numpy as np
from gymnasium import spaces


class Faulty(gym.Env):
    shared = {"x": 0.0}

    def __init__(self, fault="none"):
        self.fault = fault
        self.observation_space = spaces.Box(-100.0, 100.0, (2,), np.float32)
        self.action_space = spaces.Discrete(2)
        self.x = self.told = 0.0
        if fault == "no seed":
            self.reset = lambda: self._began(None)

    def _seen(self):
        x = self.shared["x"] if self.fault == "shared state" else self.x
        if self.fault == "outside":
            x = x + 100.0
        seen = np.array([x, 0.5], np.float32)
        return seen.tolist() if self.fault == "list" else seen.astype(np.complex64) if self.fault == "dtype" else seen

    def _began(self, seed):
        super().reset(seed=seed)
        draw = np.random.default_rng() if self.fault == "unseeded" else self.np_random
        self.x = self.shared["x"] = self.told = float(np.float32(draw.uniform(0.1, 1.0)))
        return self._seen(), {"x": self.told}

    def reset(self, *, seed=None, options=None):
        return self._began(seed)

    def step(self, action):
        before, moved = self.x, (1.0 if action else -0.4) * float(self.np_random.uniform(0.5, 1.5))
        self.x = float(np.float32(self.x + moved))
        self.shared["x"] = float(np.float32(self.shared["x"] + moved))
        if self.fault == "hangs":
            time.sleep(60)
        reward = np.array([1.0, 2.0]) if self.fault == "array reward" else 1.0
        return self._seen(), reward, False, False, {"x": before if self.fault == "late info" else self.x}


gym.register("FaultsByName-v0", Faulty, max_episode_steps=60)

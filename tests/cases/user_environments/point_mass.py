"""A point mass in a plane that is to come to rest at a goal: a Dict of goals, as in Gymnasium-Robotics."""
import gymnasium as gym
import numpy as np
from gymnasium import spaces


class PointMass(gym.Env):
    def __init__(self, reach=1.0):
        box = lambda n: spaces.Box(-np.inf, np.inf, (n,), np.float64)
        self.reach = reach
        self.observation_space = spaces.Dict(observation=box(4), achieved_goal=box(2), desired_goal=box(2))
        self.action_space = spaces.Box(-1.0, 1.0, (2,), np.float32)

    def _seen(self):
        return {"observation": np.concatenate([self.at, self.speed]), "achieved_goal": self.at.copy(),
                "desired_goal": self.goal.copy()}

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.at, self.goal = self.np_random.uniform(-self.reach, self.reach, (2, 2))
        self.speed = np.zeros(2)
        return self._seen(), {}

    def step(self, action):
        self.speed = 0.9 * self.speed + 0.05 * np.asarray(action, np.float64)
        self.at = self.at + self.speed
        return self._seen(), -float(np.linalg.norm(self.at - self.goal)), False, False, {}


gym.register("PointMass-v0", PointMass, max_episode_steps=80)

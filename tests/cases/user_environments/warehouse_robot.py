"""A robot with a battery fetches a parcel; it drives with two wheels and grips with the third number of its action."""
import gymnasium as gym
import numpy as np
from gymnasium import spaces


class WarehouseRobot(gym.Env):
    def __init__(self, size=4.0):
        self.size = size
        self.observation_space = spaces.Dict(
            pose=spaces.Box(-np.inf, np.inf, (3,), np.float64), parcel=spaces.Box(-np.inf, np.inf, (2,), np.float64),
            carries=spaces.MultiBinary(1), battery=spaces.Box(0.0, 1.0, (), np.float32),
        )
        self.action_space = spaces.Box(np.array([-1, -1, 0], np.float32), np.array([1, 1, 1], np.float32))

    def _seen(self):
        return {"pose": self.pose.copy(), "parcel": self.parcel.copy(), "carries": np.array([self.carries], np.int8),
                "battery": np.array(self.battery, np.float32)}

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.pose = np.array([*self.np_random.uniform(0, self.size, 2), 0.0])
        self.parcel = self.np_random.uniform(0, self.size, 2)
        self.carries, self.battery = 0, 1.0
        return self._seen(), {"delivered": False}

    def step(self, action):
        left, right, grip = map(float, action)
        self.pose[2] += 0.5 * (right - left)
        ahead = 0.2 * (left + right)
        self.pose[:2] = np.clip(self.pose[:2] + ahead * np.array([np.cos(self.pose[2]), np.sin(self.pose[2])]), 0, self.size)
        self.battery = max(0.0, self.battery - 0.005 * (abs(left) + abs(right)))
        if grip > 0.5 and np.hypot(*(self.pose[:2] - self.parcel)) < 0.5:
            self.carries = 1
        if self.carries:
            self.parcel = self.pose[:2].copy()
        delivered = bool(self.carries and np.hypot(*self.parcel) < 0.5)
        return self._seen(), float(delivered), delivered or self.battery == 0.0, False, {"delivered": delivered}


class FetchParcel:
    goal = "Drive to the parcel, grip it and bring it to the corner at 0, 0 before the battery is empty."
    env = WarehouseRobot
    env_kwargs = {"size": 3.0}
    actions = ["left_wheel", "right_wheel", "grip"]
    max_steps = 150

    def state(self, env, observation, info):
        offset = observation["parcel"] - observation["pose"][:2]
        return {"offset": offset, "carries": bool(observation["carries"][0]), "battery": float(observation["battery"])}

    def success(self, info):
        return info["delivered"]

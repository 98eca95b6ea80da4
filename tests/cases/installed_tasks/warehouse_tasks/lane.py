"""A lane, its description in Python, and the functions and objects that entry points name."""

from __future__ import annotations

from pathlib import Path

import gymnasium as gym
import numpy as np


class Lane(gym.Env):
    """A robot drives from the first place of a lane to the last one."""

    def __init__(self, length: int = 5) -> None:
        self.length, self.place = length, 0
        self.observation_space = gym.spaces.Box(0.0, float(length), (1,), np.float32)
        self.action_space = gym.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.place = int(self.np_random.integers(2))
        return self._seen(), {}

    def step(self, action):
        self.place = min(max(self.place + (1 if action else -1), 0), self.length)
        return self._seen(), 0.0, self.place == self.length, False, {}

    def _seen(self):
        return np.array([self.place], np.float32)


gym.register("Lane-v0", entry_point=Lane, max_episode_steps=20)


class LaneTask:
    env = Lane
    goal = "Drive to the last place of the lane."
    actions = ["back", "forward"]
    max_steps = 20

    def state(self, env, observation, info):
        return {"place": env.place, "left": env.length - env.place}

    def success(self, env, terminated):
        return terminated and env.place == env.length


PATH = Path(__file__).with_name("lane.yaml")
NUMBER = 5


def grid():
    from minigrid.envs import EmptyEnv

    from rewardsmith.tasks.minigrid.custom import CustomTask

    return CustomTask(lambda: EmptyEnv(size=5), "own-grid", {"train": 4, "select": 2, "claim": 2})

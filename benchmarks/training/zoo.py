"""The references that training is compared with: SB3's PPO on MiniGrid's own environments."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import minigrid  # noqa: F401 - registers the tasks
import numpy as np
from minigrid.wrappers import FlatObsWrapper
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.vec_env import DummyVecEnv

from benchmarks.training import TASK


class _Flat(gym.ObservationWrapper):
    """MiniGrid's observation in the form of the compiled engine's policy input."""

    def __init__(self, env: gym.Env) -> None:
        super().__init__(env)
        self.observation_space = gym.spaces.Box(-np.inf, np.inf, (151,), np.float32)

    def observation(self, observation: Any) -> np.ndarray:
        out = np.zeros(151, dtype=np.float32)
        out[:147] = (observation["image"] / np.array([10, 5, 2], dtype=np.float32)).ravel()
        out[147 + observation["direction"]] = 1
        return out


class Paid(gym.Wrapper):
    """DoorKey with benchmarks.training.REWARD added to its own reward, computed on the environment's objects."""

    def reset(self, **kwargs: Any) -> Any:
        found = self.env.reset(**kwargs)
        self._paid: set[str] = set()
        env: Any = self.unwrapped
        grid = env.grid
        self._things = {o.type: o for o in grid.grid if o is not None and o.type in ("key", "door", "goal")}
        for y in range(grid.height):
            for x in range(grid.width):
                if (thing := grid.get(x, y)) is not None:
                    thing.cur_pos = (x, y)
        return found

    def step(self, action: Any) -> Any:
        env: Any = self.unwrapped
        before, held = tuple(env.agent_pos), env.carrying is not None
        locked = self._things["door"].is_locked
        result: Any = self.env.step(action)
        seen, pay, ended, late, info = result
        info["solved"] = solved = bool(ended and pay > 0)
        total = 1.0 if solved else 0.0
        for event, happened, amount in (
            ("picked_up", not held and env.carrying is not None, 0.2),
            ("unlocked", locked and not self._things["door"].is_locked, 0.4),
        ):
            if happened and event not in self._paid:
                self._paid.add(event)
                total += amount
        name = "key" if env.carrying is None else "door"
        thing = self._things[name if self._things["door"].is_locked else "goal"]
        x, y = thing.cur_pos
        far, near = (abs(px - x) + abs(py - y) for px, py in (before, tuple(env.agent_pos)))
        return seen, pay + total + 0.01 * (far - near), ended, late, info


def batch_of_ours(num_envs: int, steps: int) -> Callable[[], int]:
    """A function that trains SB3's PPO on a DummyVecEnv of MiniGrid with the trial's batch sizes and network."""
    env = DummyVecEnv([lambda: _Flat(gym.make(TASK)) for _ in range(num_envs)])

    def work() -> int:
        model = PPO("MlpPolicy", env, n_steps=64, batch_size=1024, n_epochs=4, device="cpu", seed=1)
        model.set_logger(Logger(folder=None, output_formats=[]))  # or SB3 leaves a temporary folder
        model.learn(steps)
        return steps

    return work


def zoo_model(envs: DummyVecEnv, seed: int) -> PPO:
    """The RL-Zoo's settings for MiniGrid: 8 environments, 128 steps, batch 64, 10 epochs, flat observations."""
    model = PPO(
        "MlpPolicy", envs, n_steps=128, batch_size=64, n_epochs=10, gae_lambda=0.95, gamma=0.99,
        ent_coef=0.0, learning_rate=2.5e-4, clip_range=0.2, device="cpu", seed=seed,
    )  # fmt: skip
    model.set_logger(Logger(folder=None, output_formats=[]))
    return model


def zoo(steps: int) -> Callable[[], int]:
    """A function that trains with the RL-Zoo's settings and returns the number of steps."""
    env = DummyVecEnv([lambda: FlatObsWrapper(gym.make(TASK)) for _ in range(8)])

    def work() -> int:
        zoo_model(env, 1).learn(steps)
        return steps

    return work


def paid_envs() -> DummyVecEnv:
    """The RL-Zoo's eight environments with the designed reward added."""
    return DummyVecEnv([lambda: FlatObsWrapper(Paid(gym.make(TASK))) for _ in range(8)])


class Until(BaseCallback):
    """Ends training once 95 % of the last `window` episodes succeeded."""

    def __init__(self, window: int) -> None:
        super().__init__()
        self._last: deque[bool] = deque(maxlen=window)
        self.reached = False

    def _on_step(self) -> bool:
        for done, info in zip(self.locals["dones"], self.locals["infos"], strict=True):
            if done:
                self._last.append(info["solved"])
        full = len(self._last) == self._last.maxlen
        self.reached = full and sum(self._last) >= 0.95 * len(self._last)
        return not self.reached

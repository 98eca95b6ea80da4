"""Small environments and tasks, one for each kind of observation and action, each with a reward that reads both."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

from rewardsmith.errors import UsageError
from rewardsmith.methods import get_method
from rewardsmith.programs.reward import TrainingReward
from rewardsmith.tasks import get_task
from rewardsmith.tasks.described.task import DescribedTask, Description


class Point(gym.Env):
    """A point in the plane with goals in a Dict; two continuous entries of an action are its velocity."""

    def __init__(self) -> None:
        box = spaces.Box(-1.0, 1.0, (2,), np.float32)
        self.observation_space = spaces.Dict(observation=box, achieved_goal=box, desired_goal=box)
        self.action_space = spaces.Box(-1.0, 1.0, (2,), np.float32)

    def _observed(self) -> dict[str, Any]:
        return {"observation": self.speed.copy(), "achieved_goal": self.at.copy(), "desired_goal": self.goal.copy()}

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.at, self.goal = self.np_random.uniform(-1, 1, (2, 2)).astype(np.float32)
        self.speed = np.zeros(2, np.float32)
        return self._observed(), {"is_success": False}

    def step(self, action):
        assert action.dtype == np.float32 and action.shape == (2,) and np.abs(action).max() <= 1
        self.speed = action
        self.at = np.clip(self.at + 0.2 * action, -1, 1).astype(np.float32)
        close = bool(np.linalg.norm(self.at - self.goal) < 0.2)
        return self._observed(), -float(not close), close, False, {"is_success": close}


class Picture(gym.Env):
    """An image whose bright column is to be moved to the right edge; only info knows where it is."""

    observation_space = spaces.Box(0, 255, (40, 40, 3), np.uint8)
    action_space = spaces.Discrete(2)

    def _observed(self):
        image = np.zeros((40, 40, 3), np.uint8)
        image[:, 4 * self.column : 4 * self.column + 4] = 255
        return image

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.column = int(self.np_random.integers(0, 5))
        return self._observed(), {"column": self.column}

    def step(self, action):
        self.column = min(max(self.column + (1 if action else -1), 0), 9)
        return self._observed(), 0.0, self.column == 9, False, {"column": self.column}


class Levers(gym.Env):
    """Levers that are set all at once: MultiDiscrete counted from `start`, or MultiBinary."""

    def __init__(self, binary: bool = False) -> None:
        self.observation_space = spaces.Box(0, 3, (3,), np.float32)
        self.action_space = spaces.MultiBinary(3) if binary else spaces.MultiDiscrete([2, 3, 4], start=[0, -1, 5])

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.zeros(3, np.float32), {}

    def step(self, action):
        assert self.action_space.contains(action), action
        if isinstance(self.action_space, spaces.MultiDiscrete):
            action = action - self.action_space.start
        return action.astype(np.float32), float(action[2]), False, False, {}


class Signed(gym.Env):
    """Walks by the action itself, which is -1, 0 or 1."""

    observation_space = spaces.Box(-10, 10, (1,), np.float32)
    action_space = spaces.Discrete(3, start=-1)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.place = float(self.np_random.integers(-3, 4))
        return np.array([self.place], np.float32), {}

    def step(self, action):
        assert self.action_space.contains(action), action
        self.place = float(np.clip(self.place + action, -10, 10))
        return np.array([self.place], np.float32), 0.0, self.place == 5, False, {}


class Masked(gym.Env):
    """Four moves of which an info allows two or three, other ones in each state."""

    observation_space = spaces.MultiBinary(4)
    action_space = spaces.Discrete(4)

    def _mask(self):
        self.allowed = np.array([(self.place + k) % 4 != 0 for k in range(4)], np.int8)
        if self.place % 2:
            self.allowed[self.place % 4] = 1 - self.allowed[self.place % 4]
        return {"action_mask": self.allowed}

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.place = int(self.np_random.integers(0, 8))
        info = self._mask()
        return self.allowed.copy(), info

    def step(self, action):
        assert self.allowed[action], f"the action {action} is forbidden: {self.allowed}"
        self.place += int(action) + 1
        info = self._mask()
        return self.allowed.copy(), 1.0 if action == 3 else 0.0, self.place > 40, False, info


class Unbounded(gym.Env):
    """Takes any number."""

    observation_space = spaces.Box(-np.inf, np.inf, (1,), np.float32)
    action_space = spaces.Box(-np.inf, np.inf, (1,), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.zeros(1, np.float32), {}

    def step(self, action):
        return action.copy(), 0.0, False, False, {}


for _made in (Unbounded, Point, Picture, Levers, Signed, Masked):
    gym.register(f"{_made.__name__}-of-tests-v0", _made)
gym.register("Switches-of-tests-v0", Levers, kwargs={"binary": True})

GOALS = [{"name": name, "from": f"observation.{name}"} for name in ("achieved_goal", "desired_goal")]


def task_of(task_id: str, **values: Any) -> DescribedTask:
    return DescribedTask(
        Description.model_validate({"id": task_id, "goal": "Learn.", "max_steps": 20, "success": "terminated"} | values)
    )


PENDULUM = task_of(
    "Pendulum-v1", state=[{"name": n} for n in ("cosine", "sine", "speed")], actions=["torque"], score="return",
    success=None,
)  # fmt: skip
POINT = task_of("Point-of-tests-v0", state=GOALS, actions=["along", "across"], success="info.is_success")
TASKS = {  # task, reward, policy
    "box action": (PENDULUM, "state.cosine - 0.001 * action.torque ** 2 - 0.001 * action[0]", "ActorCriticPolicy"),
    "goals in a Dict": (
        POINT,
        "math.dist(prev.achieved_goal, prev.desired_goal) - math.hypot(state.achieved_goal.x - state.desired_goal.x, "
        "state.achieved_goal[1] - state.desired_goal.y) - 0.01 * abs(action.across)",
        "MultiInputActorCriticPolicy",
    ),
    "image": (
        task_of("Picture-of-tests-v0", state=[{"name": "column", "from": "info.column"}], actions=["left", "right"]),
        "float(state.column - prev.column) + (0.1 if action == RIGHT else 0.0)",
        "ActorCriticCnnPolicy",
    ),
    "multi-discrete": (
        task_of("Levers-of-tests-v0", actions=["pump", "valve", "gear"], success="observation[2] == 3"),
        "float(action.gear == state.observation[2]) + action.pump / 2 + (1.0 if action.valve == 2 else 0.0)",
        "ActorCriticPolicy",
    ),
    "multi-binary": (
        task_of("Switches-of-tests-v0", success="observation.x + observation.y + observation.z == 3"),
        "float(sum(action)) + action.a0",
        "ActorCriticPolicy",
    ),
    "discrete from -1": (
        task_of("Signed-of-tests-v0", state=[{"name": "place"}], actions=["back", "stay", "ahead"]),
        "1.0 if action == AHEAD and state.place > prev.place else -1.0 if action == BACK else 0.0",
        "LeanPolicy",
    ),
    "action mask": (
        task_of("Masked-of-tests-v0", actions=["one", "two", "three", "four"]),
        "float(action == FOUR) + 0.1 * state.observation[0]",
        "MaskableActorCriticPolicy",
    ),
}  # fmt: skip


def reward_of(expression: str) -> TrainingReward:
    source = f"import math\n\ndef reward(prev, action, state, memory):\n    return {expression}\n"
    return get_method("free").reward(source)


def refused(path: Path | str) -> UsageError:
    """Return the error by which a description that does not fit its environment is refused."""
    with pytest.raises(UsageError) as caught:
        get_task(str(path)).batch(1, "train")
    assert "\n" not in caught.value.cause and "\n" not in caught.value.remedy
    return caught.value

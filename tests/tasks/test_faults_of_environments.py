"""Environments with one fault each, and with several: what is said of them before a job rests on them."""

from __future__ import annotations

import os
import time
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from running import in_process

from rewardsmith.errors import TaskError, UsageError
from rewardsmith.tasks.described.description import Description
from rewardsmith.tasks.described.drafts import draft
from rewardsmith.tasks.described.inspection import NotMade, inspect, require_no_faults
from rewardsmith.tasks.described.task import DescribedTask


class Walk(gym.Env):
    """A walk between -2 and 2; each subclass has a fault."""

    def __init__(self) -> None:
        self.observation_space = gym.spaces.Box(-2.0, 2.0, (1,), np.float32)
        self.action_space = gym.spaces.Discrete(2)
        self.x, self.played = 0.0, 0

    def seen(self) -> Any:
        return np.array([self.x], np.float32)

    def reset(self, *, seed=None, options=None) -> Any:
        super().reset(seed=seed)
        self.x = float(self.np_random.uniform(-1, 1))
        return self.seen(), {}

    def step(self, action) -> Any:
        self.played += 1
        self.x = min(max(self.x + (0.1 if action else -0.1), -2.0), 2.0)
        return self.seen(), 0.0, abs(self.x) >= 2, False, {}


def changed(place: int, value):
    """A Walk whose step returns another value in one place."""

    class Changed(Walk):
        def step(self, action):
            returned = list(super().step(action))
            returned[place] = value
            return tuple(returned)

    return Changed


class Double(Walk):
    def seen(self):
        return np.array([self.x])


class Narrow(Walk):
    """It leaves its space only late in some episodes."""

    def __init__(self) -> None:
        super().__init__()
        self.observation_space = gym.spaces.Box(-1.9, 1.9, (1,), np.float32)


class Counted(Walk):
    """A Discrete observation as a float."""

    def __init__(self) -> None:
        super().__init__()
        self.observation_space = gym.spaces.Discrete(41)

    def seen(self):
        return float(round(10 * self.x) + 20)


class Partial(Walk):
    def __init__(self) -> None:
        super().__init__()
        self.observation_space = gym.spaces.Dict(a=self.observation_space, b=gym.spaces.Discrete(3))

    def seen(self):
        return {"a": np.array([self.x], np.float32), "c": 1}


class Bare(Walk):
    def reset(self, *, seed=None, options=None):
        return super().reset(seed=seed)[0]


class Four(Walk):
    def step(self, action):
        return super().step(action)[:4]


class Late(Walk):
    def step(self, action):
        if self.played == 299:
            raise ValueError("sensor lost")
        return super().step(action)


class Unrendered(Walk):
    def step(self, action):
        raise RuntimeError("call render() first")


class Exits(Walk):
    def step(self, action):
        os._exit(3)


class ExitsAtOnce(Walk):
    def __init__(self) -> None:
        os._exit(4)


class Sleeps(Walk):
    def reset(self, *, seed=None, options=None):
        if self.played:
            time.sleep(100)
        return super().reset(seed=seed)


class Busy(Walk):
    def step(self, action):
        while True:
            pass


DYING = """
import os

import gymnasium as gym
import numpy as np


class Dying(gym.Env):
    observation_space, action_space = gym.spaces.Box(-1, 1, (1,), np.float32), gym.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.zeros(1, np.float32), {}

    def step(self, action):
        os._exit(9)
"""


def masked(mask) -> type[Walk]:
    """A Walk whose infos say after each step that `mask` are the allowed actions."""

    class Masked(Walk):
        def reset(self, *, seed=None, options=None):
            return super().reset(seed=seed)[0], {"action_mask": np.ones(2, np.int8)}

        def step(self, action):
            return *super().step(action)[:4], {"action_mask": mask}

    return Masked


class Sizes(Walk):
    """Each instance has another number of actions."""

    made = 0

    def __init__(self):
        super().__init__()
        type(self).made += 1
        self.action_space = gym.spaces.Discrete(2 + self.made)


FAULTS = {
    "no action is allowed": (masked(np.zeros(2, np.int8)), 'info["action_mask"] allows no action although', True),
    "a mask of another length": (masked(np.ones(3, np.int8)), "an action_mask of shape (3,) is not read", False),
    "spaces that differ": (Sizes, "two instances differ in action_space", True),
    "float64 for float32": (Double, "the observation is of type float64, its space of float32", False),
    "outside of its space, late": (Narrow, "the observation leaves its space: [0] can be", True),
    "a float for Discrete": (Counted, "the observation is of type float64, its space of int64", True),
    "a missing key": (Partial, "the observation has no 'b', which observation_space has", True),
    "an additional key": (Partial, "the observation has 'c', which observation_space has not", False),
    "reset without an info": (Bare, "reset() returns an array of shape (1,) in place of (observation, info)", True),
    "a step of four": (Four, "step() returns a tuple of 4 in place of (observation, reward, terminated", True),
    "an array as reward": (changed(1, np.ones(1)), "step() returns an array of shape (1,) as the reward", True),
    "a text as reward": (changed(1, "1.0"), "step() returns a str as the reward", True),
    "no reward": (changed(1, None), "step() returns None as the reward", True),
    "an int as a flag": (changed(2, 0), "step() returns an int as `terminated`", False),
    "None as a flag": (changed(3, None), "step() returns None as `truncated`", True),
    "an array as a flag": (
        changed(2, np.zeros(1, bool)),
        "step() returns an array of shape (1,) as `terminated`",
        True,
    ),
    "no info": (changed(4, None), "step() returns None as the info", True),
    "an exception, late": (Late, "it raised ValueError: sensor lost (in step(), test_faults_of_env", False),
    "an exception at once": (Unrendered, "it raised RuntimeError: call render() first (in step(), test_faults", True),
    "an exit in a step": (Exits, "step() ends the process (exit code 3)", True),
    "an exit in the constructor": (ExitsAtOnce, "its constructor ends the process (exit code 4)", True),
    "a second reset that sleeps": (Sleeps, "reset() does not return (not for 0.5 seconds)", True),
    "a loop without end": (Busy, "step() does not return (not for 0.5 seconds)", True),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_of_an_environment_is_named(name):
    make, told, severe = FAULTS[name]
    found = [fault for fault in inspect(make, 0.5) if fault.what.startswith(told)]
    assert [fault.severe for fault in found] == [severe], inspect(make, 0.5)
    assert found[0].remedy


@pytest.mark.parametrize("value", [np.float32(1.0), np.float64(1.0), 1, np.int64(1), True, np.array(1.0)])
def test_every_real_number_is_a_reward(value):
    assert inspect(changed(1, value)) == []


def test_a_numpy_flag_is_a_flag():
    assert inspect(changed(2, np.False_)) == []


def test_every_fault_is_told_at_once():
    class Many(changed(1, np.ones(2))):
        def seen(self):
            return np.array([self.x + 3.0 + np.random.rand()])

    with pytest.raises(UsageError) as caught:
        require_no_faults(Many, Description(id="many", goal="", score="return", max_steps=9))
    for told in ("leaves its space", "an array of shape (2,) as the reward", "the same seed gives different first"):
        assert told in caught.value.cause
    assert len(str(caught.value).splitlines()) == 2


def test_an_environment_whose_constructor_exits_is_not_made_again():
    with pytest.raises(NotMade, match="its constructor ends the process"):
        require_no_faults(ExitsAtOnce, Description(id="exits", goal="", score="return", max_steps=9))


def test_a_mask_without_an_action_ends_a_job_unless_the_episode_is_over(tmp_path):
    gym.register("Masked-off-v0", masked(np.zeros(2, np.int8)))
    described = {"id": "Masked-off-v0", "goal": "g", "success": "terminated", "max_steps": 9}
    batch = DescribedTask(Description.model_validate(described), examined=True).batch(1, "train")
    batch.reset(0)
    with pytest.raises(TaskError, match="allows no action"):
        batch.step(np.zeros(1, int))


def test_a_draft_is_refused_where_instances_differ(tmp_path):
    with pytest.raises(UsageError, match="two instances differ in action_space"):
        draft(f"{__name__}:Sizes", tmp_path)


@pytest.mark.parametrize("arguments", [("tasks", "new"), ("tasks", "describe")])
def test_an_environment_that_ends_the_process_does_not_end_the_command(arguments, tmp_path):
    (tmp_path / "dying.py").write_text(DYING)
    ran = in_process(tmp_path, *arguments, "dying:Dying")
    assert ran.returncode == 2 and "step() ends the process (exit code 9)" in ran.stderr
    assert [path.name for path in tmp_path.glob("*.yaml")] == []

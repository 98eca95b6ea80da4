"""The search for exploits on tasks without a model: what it accuses, what it cannot, and its counter-example."""

from __future__ import annotations

from functools import lru_cache

import gymnasium as gym
import numpy as np
import pytest
from verification import rewards

from rewardsmith.programs.problem import Problem
from rewardsmith.tasks.described.description import Description
from rewardsmith.tasks.described.task import DescribedTask
from rewardsmith.verification.counterexample import read_behaviour
from rewardsmith.verification.searched import search_exploits


class Mass(gym.Env):
    """A mass on a line, pushed with a force; the goal is to stop at 1. Too far to the left is a crash."""

    observation_space = gym.spaces.Box(-3, 3, (2,), np.float32)
    action_space = gym.spaces.Box(-1, 1, (1,), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.x, self.v = float(self.np_random.uniform(-0.1, 0.1)), 0.0
        return np.array([self.x, self.v], np.float32), {}

    def step(self, action):
        self.v = float(np.clip(self.v + 0.2 * float(action[0]), -1, 1))
        self.x += 0.2 * self.v
        won = abs(self.x - 1) < 0.1 and abs(self.v) < 0.2
        return np.array([self.x, self.v], np.float32), float(won), won or self.x < -2, False, {}


def pd(state) -> float:
    return 2.0 * (1.0 - state.x) - 2.0 * state.v


@lru_cache(maxsize=4)
def mass(success: str = "terminated and reward > 0", led: bool = True) -> DescribedTask:
    given = {
        "id": "mass", "env_id": "test_search:Mass", "goal": "Stop at 1.", "success": success, "max_steps": 40,
        "state": [{"name": "x", "low": -3, "high": 3}, {"name": "v", "low": -3, "high": 3}], "actions": ["push"],
    }  # fmt: skip
    reference = {"reference": "test_search:pd"} if led else {}
    return DescribedTask(Description.model_validate(given | reference), None, examined=True)


def searched(body: str, steps: int = 1_500, **task):
    return search_exploits(Problem(mass(**task), rewards.free(body), 0.97), (0,), steps)


def test_a_reward_for_speed_is_accused_with_a_behaviour_that_repeats():
    found = searched("return abs(state.v)")
    assert found.accuses and found.steps <= 1_500 + 40
    example = found.details["counterexample"]
    assert example["seed"] == 1_000_000 and len(example["prefix"]) == example["steps"]
    again = search_exploits(
        Problem(mass(), rewards.free("return abs(state.v)"), 0.97), (0,), 200, exploits=(read_behaviour(example),)
    )
    assert again.details["rival"] >= example["claimed"] - 1e-9
    assert searched("return abs(state.v)") == found


@pytest.mark.slow
def test_an_end_on_purpose_is_found_under_penalties():
    found = searched("return -1.0 - 100.0 * state.solved")
    assert found.accuses and "ends the episode" in found.message


def test_a_good_reward_is_not_accused():
    good = searched("return 2.0 * (abs(prev.x - 1) - abs(state.x - 1)) + 5.0 * state.solved")
    assert not good.accuses and good.details["solved"]


def test_without_any_success_nothing_can_be_accused():
    found = searched("return abs(state.v)", 400, success="terminated and x > 2.5", led=False)
    assert not found.accuses and "no reward can be accused" in found.message
    assert search_exploits(Problem(mass(), rewards.free("return 0.0"), 0.97), (0,), 39).steps == 0


@pytest.mark.slow
def test_without_a_reference_a_success_of_the_search_is_compared():
    found = searched("return 1.0 if abs(state.x - 1) < 0.5 else 0.0", 20_000, led=False)
    assert found.accuses

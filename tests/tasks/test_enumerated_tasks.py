"""Small deterministic environments of any library: their states are enumerated, or the reason is named."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest
from verification import rewards

from rewardsmith.programs.problem import Problem
from rewardsmith.tasks import with_states
from rewardsmith.tasks.capabilities import tabular_of
from rewardsmith.tasks.described.copying import Enumerator, NotEnumerable
from rewardsmith.tasks.described.description import Description
from rewardsmith.tasks.described.task import DescribedTask
from rewardsmith.verification.certificate import certify


class Corridor(gym.Env):
    """Six places; the door at place 3 opens only once the lever at place 0 was pulled, which is not observed."""

    observation_space = gym.spaces.Box(0, 5, (1,), np.float32)
    action_space = gym.spaces.Discrete(3)

    def __init__(self, slips: float = 0.0, heavy: bool = False) -> None:
        self.slips, self.heavy, self.clock = slips, heavy, 0

    def _seen(self):
        return np.array([self.world["at"]], np.float32), {}

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.world, self.clock = {"at": 1, "pulled": [False]}, 0
        self.weight = 0.0
        return self._seen()

    def step(self, action):
        self.clock += 1
        at = self.world["at"]
        if self.heavy:
            self.weight += float(self.np_random.random())
        if action == 2:
            self.world["pulled"][0] |= at == 0
        elif self.np_random.random() >= self.slips:
            there = min(max(at + (1 if action == 1 else -1), 0), 5)
            self.world["at"] = there if there != 3 or self.world["pulled"][0] else at
        won = self.world["at"] == 5
        return *((self._seen()[0]), float(won), won, False), {}


def corridor(**kwargs) -> DescribedTask:
    given = {
        "id": "corridor", "env_id": "test_enumerated_tasks:Corridor", "env_kwargs": kwargs, "goal": "Get to the end.",
        "success": "terminated and reward > 0", "max_steps": 60, "state": [{"name": "place", "low": 0, "high": 5}],
        "actions": ["left", "right", "pull"],
    }  # fmt: skip
    return DescribedTask(Description.model_validate(given), None, examined=True)


def reason(task: DescribedTask) -> str:
    with pytest.raises(NotEnumerable) as caught:
        enumerator = Enumerator(task._setup)
        enumerator.begin()
        enumerator.graph(0)
    return caught.value.cause


def test_what_is_hidden_belongs_to_the_state_and_step_counters_do_not():
    task = with_states(corridor())
    tabular = tabular_of(task)
    assert tabular is not None and task != corridor()
    graph = tabular.state_graph(0, 100)
    assert graph is not None and len(graph.state) == 3 + 5 and graph.won.sum() == 1  # 3 places with the lever up


def test_a_reward_for_standing_before_the_door_is_unsound_as_replayed():
    near = rewards.free("return 0.5 if state.place == 2 else 0.0")
    found = certify(Problem(with_states(corridor()), near, 0.95))
    assert found.verdict == "unsound" and found.every and found.layouts[0].counterexample is not None
    assert "place 2" in found.layouts[0].counterexample.text
    sound = certify(Problem(with_states(corridor()), rewards.free("return -0.01"), 0.95))
    assert sound.verdict == "sound" and sound.layouts[0].shortest == 7


def test_environments_that_cannot_be_enumerated_are_told_why():
    assert "several outcomes" in reason(corridor(slips=0.3))
    assert "hardly any state comes back" in reason(corridor(heavy=True))
    task = corridor(slips=0.3)
    assert with_states(task) is task

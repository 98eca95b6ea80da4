"""Exported rewards on every kind of observation and action: the replay and the wrapper repeat training bit by bit."""

from __future__ import annotations

import sys
import types

import numpy as np
import pytest
from space_tasks import TASKS, reward_of

from rewardsmith.programs.problem import Problem
from rewardsmith.programs.rollout import Rollout, record, score_rollout
from rewardsmith.reporting.export import _composed_alone, _write_transitions
from rewardsmith.reporting.standalone_reward import standalone_reward
from rewardsmith.tasks.described.task import DescribedTask
from sandbox.client import Isolation, replay_module

GAMMA = 0.97
SEED = 1_000_000  # of layout 0 for training


def text_of(task: DescribedTask, expression: str) -> str:
    return standalone_reward(task, reward_of(expression), GAMMA, "Every space.")


def loaded(text: str, name: str = "exported_reward_of_spaces") -> types.ModuleType:
    module = sys.modules[name] = types.ModuleType(name)  # dataclasses look their module up
    exec(compile(text, name, "exec"), module.__dict__)
    return module


@pytest.mark.parametrize("name", TASKS)
def test_the_replay_of_an_export_equals_the_recorded_rewards(name, tmp_path):
    task, expression, _ = TASKS[name]
    _write_transitions(tmp_path / "t.npz", Problem(task, reward_of(expression), GAMMA, Isolation.NONE))
    with np.load(tmp_path / "t.npz") as stored:
        arrays = {key: stored[key] for key in stored.files}
    expected = arrays.pop("expected")
    found = replay_module(text_of(task, expression), arrays, expected.shape, allow=Isolation.NONE)
    np.testing.assert_array_equal(found, expected)
    assert len(np.unique(expected)) > 1, "the reward never changes, so its replay shows little"


def played(task: DescribedTask) -> Rollout:
    batch, rng = task.batch(1, "train"), np.random.default_rng(3)
    batch.play(0)
    rollout = record(
        batch, task, lambda t, starts: task.actions.sample(rng, 1, allowed=batch.masks), task.max_steps, once=True
    )
    batch.close()
    return rollout


@pytest.mark.parametrize("name", TASKS)
def test_the_wrapper_on_the_plain_environment_pays_what_training_pays(name):
    task, expression, _ = TASKS[name]
    rollout, problem = played(task), Problem(task, reward_of(expression), GAMMA, Isolation.NONE)
    with problem.host_of(rollout) as host:
        expected = _composed_alone(problem, rollout, score_rollout(host, rollout, task), 0)
    module = loaded(text_of(task, expression))
    env = module.wrap(task.make_env())
    env.reset(seed=SEED)
    paid = []
    for action in rollout.actions[:, 0]:
        _, reward, terminated, truncated, info = env.step(task.actions.in_environment(action))
        assert info["env_reward"] == rollout.rewards[len(paid), 0]
        paid.append(reward)
        if terminated or truncated:
            break
    env.close()
    np.testing.assert_array_equal(paid, expected[: len(paid)])
    assert len(paid) == len(expected)

"""Policy inputs: what a policy observes besides the task, in training only, and the policy that is stored without."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rewardsmith.errors import UsageError
from rewardsmith.policy_files.plain import trained_policy
from rewardsmith.programs.reward import SPARSE
from rewardsmith.spec import TrainingSpec
from rewardsmith.tasks import get_task
from rewardsmith.tasks.capabilities import events_of, planner_of
from rewardsmith.tasks.policy_inputs import inputs_of, with_inputs
from rewardsmith.training.evaluation import evaluate
from rewardsmith.training.trial import TrialPlan, run_trial
from tests.space_tasks import POINT

TASK = "MiniGrid-Empty-5x5-v0"
TINY = TrainingSpec(num_envs=4, rollout_steps=64, batch_size=64, epochs=1, eval_episodes=10, final_episodes=20)


class Clock:
    """Two inputs: the number of steps of the episode divided by 100, and 1."""

    size = 2

    def tracker(self, task, num_envs):
        return Ticks(num_envs)


class Ticks:
    def __init__(self, num_envs):
        self.values = np.zeros((num_envs, 2), dtype=np.float32)

    def reset(self, seed):
        pass

    def close(self):
        pass

    def begin(self, batch, mask):
        self.values[mask] = [0.0, 1.0]

    def step(self, batch):
        self.values[:, 0] += 0.01


def test_training_observes_the_inputs_and_an_evaluation_zeros():
    task = with_inputs(get_task(TASK), Clock())
    own = get_task(TASK).observation_size
    assert task.observation_size == own + 2 and inputs_of(task) == 2 and inputs_of(get_task(TASK)) == 0
    assert planner_of(task) and events_of(task)
    for pool, expected in (("train", [0.02, 1.0]), ("select", [0.0, 0.0])):
        batch = task.batch(3, pool)
        batch.reset(0)
        for _ in range(2):
            batch.step(np.zeros(3, dtype=np.int64))
        seen = np.full((3, own + 2), 9.0, dtype=np.float32)
        batch.observe(seen, np.array([True, False, True]))
        assert np.allclose(seen[[0, 2], own:], expected) and (seen[1] == 9.0).all()
        plain = np.zeros((3, own), dtype=np.float32)
        batch._batch.observe(plain)  # type: ignore[attr-defined]
        assert np.array_equal(seen[0, :own], plain[0])


def test_a_restarted_episode_has_inputs_of_its_own():
    batch = with_inputs(get_task(TASK), Clock(), everywhere=True).batch(2, "claim")
    batch.step(np.zeros(2, dtype=np.int64))
    batch.restart(np.array([True, False]))
    seen = np.zeros((2, batch.observation_size), dtype=np.float32)
    batch.observe(seen)
    assert np.allclose(seen[:, -2], [0.0, 0.01])


@pytest.mark.parametrize("cells", ["one-hot", "scaled"])
def test_the_stored_policy_is_the_trained_one_without_its_inputs(tmp_path: Path, cells: str):
    training = TINY.changed({"cells": cells})
    task = with_inputs(get_task(TASK), Clock())
    report = run_trial(TrialPlan(task, SPARSE, training, 3, 1024, 1.0, tmp_path), lambda _: None, lambda _: None)
    plain = trained_policy(get_task(TASK), training, (tmp_path / "policy.safetensors").read_bytes())
    from rewardsmith.seeds import rung_end_seed

    assert evaluate(plain, get_task(TASK), "select", 20, rung_end_seed(3)) == report.stochastic


def test_an_observation_of_several_parts_takes_no_inputs():
    with pytest.raises(UsageError, match="more than one vector") as caught:
        with_inputs(POINT, Clock())
    assert len(str(caught.value).splitlines()) == 2

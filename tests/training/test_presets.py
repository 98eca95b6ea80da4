"""Training settings by task: few families, few differences."""

from __future__ import annotations

import pytest

from benchmarks.programs import STEPS, programs
from rewardsmith.spec import TrainingSpec, default_training


@pytest.mark.parametrize("task", [*STEPS, "MiniGrid-Empty-8x8-v0", "BabyAI-GoToObj-v0"])
def test_grids_train_with_the_defaults_but_for_multiroom_s_longer_trace(task):
    expected = {"gae_lambda": 0.98} if "MultiRoom" in task else {}
    assert default_training(task) == expected


@pytest.mark.parametrize("task", ["CartPole-v1", "MountainCar-v0", "Acrobot-v1", "MiniGrid-MemoryS7-v0"])
def test_other_families_name_settings_that_exist(task):
    assert TrainingSpec.model_validate(default_training(task)).entropy_schedule == "success"


@pytest.mark.parametrize("task", list(STEPS))
def test_the_benchmark_s_programs_are_rewards_of_their_tasks(task):
    found = programs([task])
    assert len(found) >= 12
    assert all(p.reward().functions and p.task == task for p in found)

"""Telemetry of guidance and of the reward for success, by channel."""

from __future__ import annotations

import numpy as np
import pytest

from rewardsmith.programs.composition import Channel, Composition
from rewardsmith.programs.problem import Problem
from rewardsmith.programs.reward import ENV, SPARSE, TrainingReward
from rewardsmith.programs.rollout import Rollout
from rewardsmith.tasks import get_task
from rewardsmith.training.shaping import RewardShaper

CHANNELS = (ENV, Channel("reward", weight=2.0), Channel("phi", kind="potential"), Channel("rnd", kind="bonus"))


def test_guidance_excludes_the_success_step_and_other_channels():
    task = get_task("MiniGrid-Empty-5x5-v0")
    batch = task.batch(2, "train")
    shaper = RewardShaper(Problem(task, TrainingReward("", (), CHANNELS), 0.99), batch.tables, 2, 3)
    rollout = Rollout.empty(task, 3, 2)
    rollout.terminated[2, 0] = rollout.success[2, 0] = rollout.truncated[2, 1] = True
    parts = {
        "env": np.array([[0, 0], [0, 0], [0.9, 0]]),
        "reward": np.array([[3, 1], [-1, 1], [10, 2.0]]),
        "phi": np.full((3, 2), 100.0),
        "rnd": np.full((3, 2), 0.5),
    }
    shaper._tally(rollout, Composition(sum(parts.values()), parts), None)
    found = shaper.telemetry()
    batch.close()
    assert found.program_guidance_per_episode == pytest.approx(((3 - 1) + (1 + 1 + 2)) / 2)
    assert found.success_pay == pytest.approx(0.9 + 10 + 0.5)
    assert found.env_success_pay == pytest.approx(0.9)
    assert found.env_weight == 1.0


def test_the_scale_of_returns_covers_all_rollouts_of_an_interval():
    task = get_task("MiniGrid-Empty-5x5-v0")
    batch = task.batch(2, "train")
    shaper = RewardShaper(Problem(task, SPARSE, 0.5), batch.tables, 2, 2)
    for paid in (4.0, 0.0):
        rollout = Rollout.empty(task, 2, 2)
        rollout.rewards[1] = paid
        shaper(rollout)
    batch.close()
    assert shaper.return_rms == pytest.approx(((4.0**2 + 2.0**2) / 4) ** 0.5)  # 4, and half of it a step before
    shaper.clear_tallies()
    assert shaper.return_rms == 0.0

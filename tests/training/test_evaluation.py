"""Evaluation: loops of greedy policies end early without changing a number, and so do evaluations without success."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from gymnasium import spaces

from rewardsmith.tasks import get_task
from rewardsmith.training.evaluation import evaluate, evaluate_for_curve
from rewardsmith.training.network import GridPolicy

TASK = get_task("MiniGrid-DoorKey-5x5-v0")


def policy(seed: int) -> GridPolicy:
    torch.manual_seed(seed)
    space = spaces.Box(-np.inf, np.inf, (TASK.observation_size,), np.float32)
    made = GridPolicy(space, spaces.Discrete(len(TASK.actions)), lambda _: 1e-3, cells=49, hidden=(16, 8))
    with torch.no_grad():
        made.action_net.weight.mul_(200.0)  # decisive enough to wander before it loops
    return made


class Patient:
    """The task without the guarantee that equal states continue equally: greedy episodes are played to their end."""

    deterministic = False

    def __getattr__(self, name: str):
        return getattr(TASK, name)


@pytest.mark.parametrize("seed", range(4))
def test_ending_repeated_loops_early_changes_no_number(seed):
    short = evaluate(policy(seed), TASK, "select", 40, seed, greedy=True)
    whole = evaluate(policy(seed), Patient(), "select", 40, seed, greedy=True)
    assert dataclasses.astuple(short) == pytest.approx(dataclasses.astuple(whole))


def test_evaluation_of_a_failing_policy_stops_after_a_quarter():
    hopeless = policy(0)
    with torch.no_grad():
        hopeless.action_net.weight.zero_()
        hopeless.action_net.bias.copy_(torch.tensor([9.0, 0, 0, 0, 0, 0, 0]))
    assert evaluate_for_curve(hopeless, TASK, "select", 40, 1).episodes == 10
    empty = get_task("MiniGrid-Empty-5x5-v0")
    with torch.no_grad():
        hopeless.action_net.bias.zero_()
    random = evaluate_for_curve(hopeless, empty, "select", 40, 1)
    assert random.episodes == 40 and 0 < random.success <= 1

"""Predicted difficulty on models small enough to be computed by hand."""

from __future__ import annotations

import numpy as np

from rewardsmith.verification.difficulty import predict_difficulty
from rewardsmith.verification.model import RewardModel
from rewardsmith.verification.solving import END, distances

LENGTH, LEFT, RIGHT, PICK = 8, 0, 1, 2


def corridor(pick_cost: float = 0.0, milestone: float = 0.0, success: float = 1.0):
    """Cells 0 to 7; at 3 PICK must be used once (3 -> 4, paid `milestone`), elsewhere it costs and does nothing. A step
    right from 7 succeeds."""
    successor, reward = np.zeros((LENGTH, 3), np.int32), np.zeros((LENGTH, 3))
    for cell in range(LENGTH):
        right = cell + 1 if cell not in (3, LENGTH - 1) else cell
        successor[cell] = (max(cell - 1, 0 if cell < 4 else 4), right, cell)
        reward[cell, PICK] = -pick_cost
    successor[3, PICK], reward[3, PICK] = 4, milestone
    successor[LENGTH - 1, RIGHT], reward[LENGTH - 1, RIGHT] = END, success
    succeeds = np.zeros((LENGTH, 3), bool)
    succeeds[LENGTH - 1, RIGHT] = True
    none = np.zeros((LENGTH, 3), bool)
    model = RewardModel(
        None, np.arange(LENGTH, dtype=np.int32), successor, reward, reward, succeeds, none, np.zeros(LENGTH), none,
        False, 1, reward.size, none, "",
    )  # fmt: skip
    return model, distances(successor, succeeds)


def score(**pay: float) -> float:
    model, far = corridor(**pay)
    return predict_difficulty(model, far, 60, 0.99).score


def test_a_milestone_on_the_way_lowers_the_difficulty():
    assert score(milestone=0.5) < score()


def test_cost_of_the_needed_action_raises_the_difficulty():
    assert score(milestone=0.1, pick_cost=1.0) > score(milestone=0.1, pick_cost=0.05) + 0.5


def test_a_success_reward_that_is_never_met_teaches_little():
    """In a corridor seven times harder to cross by chance, a trail of rewards helps; the success reward does not."""
    assert score(success=100.0) > score(success=1.0, milestone=0.5)


def test_advantages_below_the_critic_s_noise_count_for_little():
    assert score(success=1e-3) > score(success=1.0)
    assert abs(score(success=1e-6) - LENGTH * np.log(3)) < 0.1  # one action in three at every step

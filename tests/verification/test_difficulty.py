"""Predicted difficulty on models small enough to be computed by hand."""

from __future__ import annotations

import numpy as np
import pytest

from rewardsmith.verification.difficulty import Difficulty, predict_difficulty
from rewardsmith.verification.model import RewardModel
from rewardsmith.verification.solving import END, distances

LENGTH, LEFT, RIGHT, PICK = 8, 0, 1, 2


def corridor(pick_cost: float = 0.0, milestone: float = 0.0, success: float = 1.0, length: int = LENGTH):
    """Cells 0 to 7; at 3 PICK must be used once (3 -> 4, paid `milestone`), elsewhere it costs and does nothing. A step
    right from 7, or from the last cell of another length, succeeds."""
    successor, reward = np.zeros((length, 3), np.int32), np.zeros((length, 3))
    for cell in range(length):
        right = cell + 1 if cell not in (3, length - 1) else cell
        successor[cell] = (max(cell - 1, 0 if cell < 4 else 4), right, cell)
        reward[cell, PICK] = -pick_cost
    successor[3, PICK], reward[3, PICK] = 4, milestone
    successor[length - 1, RIGHT], reward[length - 1, RIGHT] = END, success
    succeeds = np.zeros((length, 3), bool)
    succeeds[length - 1, RIGHT] = True
    none = np.zeros((length, 3), bool)
    model = RewardModel(
        None, np.arange(length, dtype=np.int32), successor, reward, reward, succeeds, none, np.zeros(length), none,
        False, 1, reward.size, none, "",
    )  # fmt: skip
    return model, distances(successor, succeeds)


def predicted(**pay: float) -> Difficulty:
    model, far = corridor(**pay)
    return predict_difficulty(model, far, 60, 0.99)


def score(**pay: float) -> float:
    return predicted(**pay).score


def test_a_milestone_on_the_way_lowers_the_difficulty():
    assert score(milestone=0.5) < score()


def test_cost_of_the_needed_action_raises_the_difficulty():
    assert score(milestone=0.1, pick_cost=1.0, length=24) > score(milestone=0.1, pick_cost=0.05, length=24) + 0.5


def test_a_success_reward_that_is_never_met_teaches_little():
    """In a corridor that is hard to cross by chance, a trail of rewards helps; the success reward does not."""
    assert score(success=100.0, length=24) > score(success=1.0, milestone=0.5, length=24)
    assert predicted(success=100.0, length=24).success == predicted(success=1.0, length=24).success == 0.0


def test_advantages_below_the_critic_s_noise_count_for_little():
    assert score(success=1e-3) > score(success=1.0)
    assert score(success=1e-6) == pytest.approx(score(success=0.0), abs=0.1)
    assert score(success=0.0) > LENGTH * np.log(3) - 0.1  # one action in three at every step


def test_a_rehearsal_succeeds_only_where_learning_can_begin():
    assert predicted().success > 0.9  # random play succeeds at times
    assert predicted(length=24).success == 0.0
    assert predicted(length=24, milestone=0.5).success > 0.5


def test_a_needed_action_that_costs_much_is_avoided():
    ((action, chance),) = predicted(pick_cost=1.0, length=40).avoided
    assert action == PICK and chance < 0.01
    assert not predicted(milestone=0.5).avoided

"""A behaviour: a prefix of actions, then a cycle."""

from __future__ import annotations

from rewardsmith.tasks import get_task
from rewardsmith.tasks.base import Behaviour


def test_the_cycle_repeats_after_the_prefix():
    acts = Behaviour("to and fro", (5,), (1, 2))
    assert [acts.action(t) for t in range(6)] == [5, 1, 2, 1, 2, 1]
    assert acts.then(0) == acts


def test_without_a_cycle_the_given_action_follows():
    acts = Behaviour("solution", (5, 4)).then(6)
    assert [acts.action(t) for t in range(4)] == [5, 4, 6, 6]


def test_a_grid_task_says_which_actions_change_nothing():
    actions = get_task("MiniGrid-DoorKey-5x5-v0").actions
    assert actions.names[actions.idle] == "DONE"
    assert [actions.names[a] for a in actions.detour] == ["TURN_LEFT"] * 4

"""The labelled set: its contents, and the agreement of its labels with two other implementations."""

from __future__ import annotations

from collections import Counter

import pytest
from verification import rewards
from verification.textbook import enumerate_real, value_iteration

from benchmarks.verification_set import TASKS, entries, exact
from rewardsmith.programs.problem import Problem
from rewardsmith.tasks.minigrid.pools import reset_quietly
from rewardsmith.verification.certificate import certify_layout

GAMMA = 0.9


def test_the_set_is_as_large_as_it_says():
    everything = entries()
    per_task = Counter(e.task for e in everything)
    assert len(everything) >= 300 and len({e.key for e in everything}) == len(everything)
    assert set(per_task) == set(TASKS) and min(per_task.values()) >= 50
    assert sum(e.category == "good" for e in everything) >= 150
    assert 3 * sum(e.origin == "blind" for e in everything) >= len(everything)
    assert 0.25 < sum(e.held_out for e in everything) / len(everything) < 0.42
    for entry in everything:
        compile(entry.source, entry.key, "exec")


def success_and_every_pickup(before, action, after, paid):
    return (1.0 if paid > 0 else 0.0) + (0.5 if before.carrying is None and after.carrying is not None else 0.0)


@pytest.mark.parametrize("task_id", ["MiniGrid-LavaGapS5-v0", "MiniGrid-Empty-5x5-v0"])
def test_computed_labels_agree_with_textbook_value_iteration(small_task, task_id):
    task = small_task(task_id)
    seed = int(task.pool("train").seeds[0])
    env = task.make_env().unwrapped
    reset_quietly(env, seed)
    env.gen_obs = dict
    start, moves = enumerate_real(env, success_and_every_pickup)
    world = exact.enumerate_world(exact.Grid(task_id, seed), 10_000)
    model = exact.build(world, rewards.PICKUP_EXPLOIT.source, GAMMA, 10_000)
    assert len(model.successor) == len(moves)
    for success in (True, False):
        mine = exact.optimum(model, GAMMA, 1.0, success=success)[0]
        assert mine == pytest.approx(value_iteration(moves, GAMMA, success=success)[start], abs=1e-9)


@pytest.mark.parametrize(
    "reward",
    [rewards.PICKUP_EXPLOIT, rewards.LATCHED, rewards.OSCILLATION, rewards.DISTANCE_POTENTIAL, rewards.DOOR_EXPLOIT],
)
def test_computed_labels_agree_with_the_certificate(small_task, reward):
    task = small_task("MiniGrid-DoorKey-5x5-v0")
    world = exact.enumerate_world(exact.Grid(task.id, int(task.pool("train").seeds[0])), 10_000)
    model = exact.build(world, reward.source, GAMMA, 10_000)
    found = certify_layout(Problem(task, reward, GAMMA), 0)
    assert found.nodes == len(model.successor)
    soonest = 1 - 0.9 * found.shortest / task.max_steps
    for pay, told in ((0.1, found.low), (soonest, found.high)):
        assert exact.optimum(model, GAMMA, pay, success=True)[0] == pytest.approx(told.value, abs=1e-9)
        assert exact.optimum(model, GAMMA, pay, success=False)[0] == pytest.approx(told.value_without_success, abs=1e-9)


def test_each_label_is_given_to_a_reward_of_its_kind():
    world = exact.enumerate_world(exact.Grid("MiniGrid-LavaGapS5-v0", 0), 10_000)
    source_of_label = {
        "sound": "def reward(p, a, s, m):\n    return float(s.solved)\n",
        "unsound": "def reward(p, a, s, m):\n    return 0.5 if s.event == 'turned' else 0.0\n",
        "crash": "def reward(p, a, s, m):\n    return s.progress\n",
        "time-dependent": "def reward(p, a, s, m):\n    return 0.004\n",
    }
    for label, source in source_of_label.items():
        assert exact.label(world, source, 0.99, 10_000) == label

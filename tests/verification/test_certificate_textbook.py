"""Certificates equal a plain implementation over the real MiniGrid."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from verification import rewards
from verification.textbook import enumerate_real, value_iteration

from rewardsmith.programs.problem import Problem
from rewardsmith.tasks.minigrid.pools import reset_quietly
from rewardsmith.verification.certificate import certify_layout
from rewardsmith.verification.model import build_model
from rewardsmith.verification.solving import END, distances, solve
from rewardsmith.verification.timed_success import TimedPay, best_over_steps

GAMMA = 0.9


def success_and_every_pickup(before, action, after, paid):
    return (1.0 if paid > 0 else 0.0) + (0.5 if before.carrying is None and after.carrying is not None else 0.0)


def distance(before, action, after, paid):
    goal = (before.width - 2, before.height - 2)
    far = [sum(abs(int(p) - g) for p, g in zip(e.agent_pos, goal, strict=True)) for e in (before, after)]
    return (1.0 if paid > 0 else 0.0) + 0.07 * (far[0] - far[1]) - 0.01


PICKED = rewards.free("return 0.5 if prev.carrying is None and state.carrying is not None else 0.0")
DISTANCE = rewards.free(
    "far = [abs(s.agent.x - (s.width - 2)) + abs(s.agent.y - (s.height - 2)) for s in (prev, state)]\n"
    "return 0.07 * (far[0] - far[1]) - 0.01"
)


@pytest.mark.parametrize(
    ("task_id", "reward", "pay"),
    [
        ("MiniGrid-Empty-5x5-v0", DISTANCE, distance),
        ("MiniGrid-DoorKey-5x5-v0", PICKED, success_and_every_pickup),
        ("MiniGrid-DoorKey-5x5-v0", DISTANCE, distance),
        ("MiniGrid-LavaGapS5-v0", DISTANCE, distance),
    ],
)
def test_values_agree_with_textbook_value_iteration(small_task, task_id, reward, pay):
    task = small_task(task_id)
    env = task.make_env().unwrapped
    reset_quietly(env, int(task.pool("train").seeds[1]))
    env.gen_obs = dict  # observations are most of the cost and none of the dynamics
    found = certify_layout(Problem(task, reward, GAMMA), 1)
    late = 0.9 * found.shortest / env.max_steps  # no success is paid more than after the fewest steps

    def least_late(before, action, after, paid):
        return pay(before, action, after, paid) - (late if paid > 0 else 0.0)

    start, moves = enumerate_real(env, least_late)
    assert found.nodes == len(moves)
    for success, value in ((True, found.high.value), (False, found.high.value_without_success)):
        expected = value_iteration(moves, GAMMA, success=success)[start]
        assert value == pytest.approx(expected, abs=1e-9)
    assert found.high.error < 1e-9


def random_graph(draw_seed: int, count: int):
    rng = np.random.default_rng(draw_seed)
    successor = rng.integers(0, count, size=(count, 4)).astype(np.int32)
    success = rng.random((count, 4)) < 0.1
    success[:, 0] = False
    successor[success] = END
    died = rng.random((count, 4)) < 0.1
    successor[died & ~success] = END
    # Few distinct values, so that ties and empty cycles are common.
    reward = rng.choice([0.0, 0.0, 1.0, -1.0, 0.25], size=(count, 4))
    return successor, reward, success


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), count=st.integers(1, 30), gamma=st.sampled_from([0.0, 0.5, 0.9, 0.99]))
def test_any_deterministic_graph_is_solved_within_the_stated_error(seed, count, gamma):
    successor, reward, success = random_graph(seed, count)
    for allowed in (np.ones_like(success), ~success):
        found = solve(successor, reward, allowed, gamma)
        value = np.zeros(count)
        for _ in range(4000 if gamma > 0.9 else 400):
            q = reward + gamma * np.where(successor == END, 0.0, value[successor])
            value = np.where(allowed, q, -np.inf).max(axis=1)
        assert np.abs(found.value - value).max() <= found.error + 1e-11
        assert found.error < 1e-9


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32), count=st.integers(1, 12), steps=st.integers(1, 6))
def test_backward_induction_equals_exhaustive_search(seed, count, steps):
    successor, low, success = random_graph(seed, count)
    high = low + 0.9 * success
    leftover = np.linspace(-1, 1, count)

    extra, column = np.random.default_rng(seed).normal(size=(steps, 2)), np.arange(4 * count).reshape(count, 4) % 2

    def best(node: int, t: int, succeeds: bool) -> float:
        if t > steps:
            return -np.inf if succeeds else -leftover[node]
        found = [-np.inf]
        for a in range(4):
            there = successor[node, a]
            if success[node, a]:
                if succeeds:
                    found.append(low[node, a] + 0.9 * (1 - t / steps) + extra[t - 1, column[node, a]])
            elif there != END:
                found.append(low[node, a] + 0.9 * best(there, t + 1, succeeds))
            elif not succeeds:
                found.append(low[node, a])
        return max(found)

    for succeeds in (True, False):
        tail = np.full(count, -np.inf) if succeeds else -leftover
        arrays = (successor, high, low - high, success, extra, column.astype(np.int32))
        value, _ = best_over_steps(TimedPay(*arrays), tail, 0.9, succeeds)
        assert value == pytest.approx(best(0, 1, succeeds))


def test_distances_equal_the_planner_s(small_task):
    task = small_task("MiniGrid-DoorKey-6x6-v0")
    for layout in range(3):
        model = build_model(Problem(task, rewards.SUCCESS, 0.99), layout, 400_000)
        assert distances(model.successor, model.success)[0] == len(task.plan(layout).actions)

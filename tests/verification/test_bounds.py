"""Verdicts by bounds, for rewards whose memory takes too many values: they never contradict full enumeration."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from verification import rewards
from verification.remembering import remembering

from rewardsmith.programs.composition import Channel
from rewardsmith.programs.problem import Problem
from rewardsmith.programs.reward import TrainingReward
from rewardsmith.verification.bounds import certified_by_bounds, sound_gap, unsound_gap
from rewardsmith.verification.certificate import certify
from rewardsmith.verification.counterexample import replay
from rewardsmith.verification.model import NotCertified, build_model, graph_of
from rewardsmith.verification.quotient import Quotient
from rewardsmith.verification.relaxation import relax
from rewardsmith.verification.solving import solve

EMPTY, DOORKEY = "MiniGrid-Empty-5x5-v0", "MiniGrid-DoorKey-5x5-v0"
GAMMA = 0.97
VISITED = (
    "cells = memory.setdefault('cells', set())\ncell = (state.agent.x, state.agent.y, state.agent.direction)\n"
    "if cell not in cells:\n    cells.add(cell)\n    return {pay}\n"
)


Arrays = tuple[np.ndarray, np.ndarray, np.ndarray]


def margins(problem: Problem) -> tuple[float, float, Arrays]:
    """(V* - V*_ns with the smallest success reward, with the largest, the model's states and rewards), enumerated."""
    model = build_model(problem, 0, 60_000)
    assert not model.missing
    everything = np.ones(model.success.shape, dtype=bool)
    found = []
    for reward in (model.low, model.high):
        best = solve(model.successor, reward, everything, problem.gamma)
        idle = solve(model.successor, reward, ~model.success, problem.gamma)
        found.append(float(best.value[0] - idle.value[0]))
    return found[0], found[1], (model.state, model.low, model.high)


def require_no_contradiction(task, seed: int) -> str:
    """Compare a random reward's bounds with its enumeration; return the verdict by bounds."""
    problem = Problem(task, remembering(seed), GAMMA)
    relaxed = relax(problem, 0, 60_000)
    least, most, (state, low, high) = margins(problem)
    assert (low >= relaxed.least[state] - 1e-9).all() and (high <= relaxed.most[state] + 1e-9).all()
    if sound_gap(relaxed, GAMMA) > 1e-9:
        assert least > 0
        return "sound"
    if unsound_gap(relaxed, GAMMA)[0] > 1e-9:
        assert most < 1e-9
        return "unsound"
    return "open"


@settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(seed=st.integers(0, 10_000))
def test_bounds_agree_with_enumeration(small_task, seed):
    task = small_task(EMPTY)
    assume(not build_model(Problem(task, remembering(seed), GAMMA), 0, 60_000).missing)
    require_no_contradiction(task, seed)


@pytest.mark.parametrize("columns", [[], [1], [0, 1, 2], [2, 4, 7]])
def test_classes_of_transitions_are_those_with_equal_columns(small_task, columns):
    graph = graph_of(small_task(DOORKEY), 0, 60_000, False, ())
    quotient = Quotient(graph, np.array(columns, np.int64), blind=False)
    nodes, actions = graph.successor.shape
    before, after = graph.rows_before(np.arange(nodes)), graph.rows_after(np.arange(nodes))
    keys = {}
    for node in range(nodes):
        for action in range(actions):
            goes_on = not graph.over[node, action]
            there = quotient.of_node[graph.node[graph.successor[node, action]]] if goes_on else -1
            key = (tuple(before[node, columns]), action, tuple(after[node, action, columns]), there)
            assert keys.setdefault(key, quotient.of_pair[node, action]) == quotient.of_pair[node, action]
    assert len(keys) == len(quotient.source)
    rows = quotient.rows(quotient.of_pair[5])
    assert (rows[0][:, columns] == before[5, columns]).all() and (rows[1][:, columns] == after[5][:, columns]).all()
    assert set(quotient.leaving(np.array([quotient.of_node[5]]))) >= set(quotient.of_pair[5])


def test_transitions_that_cannot_be_told_apart_need_one_call(small_task):
    body = "if state.event == 'unlocked' and 'open' not in memory:\n    memory['open'] = True\n    return 1.0\n"
    body += "return 0.0"
    task = small_task("MiniGrid-DoorKey-8x8-v0")
    with pytest.raises(NotCertified, match="more than 10 times"):
        relax(Problem(task, rewards.free(body), 0.99), 0, 60_000, calls=10)
    found = relax(Problem(task, rewards.free(body), 0.99), 0, 60_000, calls=2000)
    assert len(found.graph.state) > 5000 and sound_gap(found, 0.99) > 0


def test_an_element_that_is_added_twice_changes_nothing_the_second_time(small_task):
    body = (
        "cells = memory.setdefault('cells', set())\ncells.add((state.agent.x, state.agent.y, state.agent.direction))\n"
        "return 0.5 if state.event == 'turned' else 0.0"
    )
    found = relax(Problem(small_task(EMPTY), rewards.free(body), 0.99), 0, 3000)
    assert np.isfinite(found.steady[:, :2]).all()  # turning to and fro repeats for ever


def test_bounds_alone_certify_further_layouts(small_task):
    problem = Problem(small_task(EMPTY), rewards.free(VISITED.format(pay=0.2) + "return 0.0"), 0.99)
    found = certify(problem, layouts=1, limit=3000)
    alone = certified_by_bounds(problem, 0, 100_000)
    assert alone is not None and alone.verdict == found.layouts[0].verdict == "sound"
    assert alone.bounds_gap == found.layouts[0].bounds_gap and alone.shortest == found.layouts[0].shortest
    assert certified_by_bounds(problem, 0, 10) is None


@pytest.mark.slow
@pytest.mark.parametrize("task_id", [EMPTY, DOORKEY])
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 10_000))
def test_bounds_of_random_programs_agree_with_enumeration(small_task, task_id, seed):
    task = small_task(task_id)
    assume(not build_model(Problem(task, remembering(seed), GAMMA), 0, 60_000).missing)
    require_no_contradiction(task, seed)


@pytest.mark.parametrize(("pay", "expected"), [(0.2, "sound")])
def test_visited_cells_are_certified_by_bounds(small_task, pay, expected):
    reward = rewards.free(VISITED.format(pay=pay) + "return 0.0")
    found = certify(Problem(small_task(EMPTY), reward, 0.99), layouts=1, limit=3000)
    layout = found.layouts[0]
    assert (layout.verdict, layout.coverage, found.passed) == (expected, 1.0, True)
    assert layout.bounds_gap > 0 and "every content of memory" in layout.reason
    assert found.soundness.unsound == 0


def test_a_farm_beside_visited_cells_fails_by_bounds(small_task):
    body = VISITED.format(pay=0.01) + "return 0.5 if state.event == 'turned' else 0.0"
    problem = Problem(small_task(EMPTY), rewards.free(body), 0.99)
    found = certify(problem, layouts=1, limit=3000)
    layout = found.layouts[0]
    assert not found.passed and layout.counterexample is not None
    assert not replay(problem, layout.counterexample).solved


STAGES = (
    "stage = memory.get('stage', 0)\n"
    "if stage == 0 and state.event == 'turned':\n    memory['stage'] = 1\n    return 0.1\n"
    "if stage == 1 and state.event == 'moved':\n    memory['stage'] = 2\n    return 0.1\n"
    "if stage == 2 and state.event == 'blocked':\n    memory['stage'] = 3\n    return 0.1\n"
    "if stage == 3 and state.event == 'turned':\n    memory['stage'] = 4\n    return 0.1\nreturn 0.0"
)


def test_stages_that_are_compared_for_equality_are_told_apart(small_task):
    found = relax(Problem(small_task(EMPTY), rewards.free(STAGES), 0.99), 0, 3000)
    assert found.most.max() > 0.05 and sound_gap(found, 0.99) > 0
    assert (found.steady <= 1e-9).all()  # no stage comes twice, so that nothing is paid for ever


def both(sparse: str, dense: str) -> TrainingReward:
    """A reward of two functions, whose bodies are given, that pays their sum."""
    text = ""
    for name, body in (("sparse", sparse), ("dense", dense)):
        text += f"def {name}(prev, action, state, memory):\n" + "".join(f"    {x}\n" for x in body.splitlines())
    channels = (Channel("env", kind="env", weight=0.0), Channel("sparse"), Channel("dense"))
    return TrainingReward(text, ("sparse", "dense"), channels)


def test_functions_with_keys_of_their_own_are_called_apart(small_task):
    once = "if '{0}' not in memory:\n    memory['{0}'] = 1\n    return 0.1\nreturn 0.0"
    found = relax(Problem(small_task(EMPTY), both(once.format("a"), once.format("b")), 0.99), 0, 3000)
    assert found.most.max() == pytest.approx(0.2) and found.least.min() == 0.0


def test_what_one_function_stores_another_reads_in_the_same_step(small_task):
    sparse, dense = "memory['hit'] = state.event == 'turned'\nreturn 0.0", "return 0.3 if memory['hit'] else 0.0"
    found = relax(Problem(small_task(EMPTY), both(sparse, dense), 0.99), 0, 3000)
    assert (found.least[:, :2] == 0.3).all() and (found.most[:, 2] == 0.0).all()

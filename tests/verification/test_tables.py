"""Certificates of tasks with probabilities, compared with a textbook solver."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from verification import rewards
from verification.textbook_tables import every_policy, sweeps

from rewardsmith.programs.problem import Problem
from rewardsmith.programs.reward import SPARSE
from rewardsmith.tasks import get_task
from rewardsmith.verification import table_model
from rewardsmith.verification.certificate import certify
from rewardsmith.verification.decision_process import Process, largest_success, optimal_values, smallest_success

NEAR = "\n".join((
    "if state.solved: return 2.0",
    "if state.failed: return -1.0",
    "if (prev.row, prev.column) == (state.row, state.column): return -1.0",
    "return 1 / (1 + ((3 - state.row) ** 2 + (3 - state.column) ** 2) ** 0.5)",
))  # fmt: skip
NUMBERS = st.sampled_from([-1.0, 0.0, 0.0, 0.5, 1.0])


@st.composite
def tables(draw):
    """[state][action] -> outcomes of a small random table."""
    states, actions = draw(st.integers(1, 4)), draw(st.integers(1, 3))
    made = []
    for _ in range(states):
        row = []
        for _ in range(actions):
            count = draw(st.integers(1, 3))
            weights = draw(st.lists(st.integers(1, 4), min_size=count, max_size=count))
            outcomes = []
            for weight in weights:
                over = draw(st.booleans())
                won = draw(st.booleans()) and over
                there = draw(st.integers(0, states - 1))
                outcomes.append((weight / sum(weights), there, draw(NUMBERS), over, won))
            row.append(outcomes)
        made.append(row)
    return made


def process_of(table) -> Process:
    flat = [outcome for row in table for outcomes in row for outcome in outcomes]
    counts = [len(outcomes) for row in table for outcomes in row]
    probability, there, reward, over, won = map(np.array, zip(*flat, strict=True))
    start = np.eye(len(table))[0]
    first = np.concatenate([[0], np.cumsum(counts)])
    return Process(len(table[0]), first, probability, np.where(over, -1, there), reward, won, start)


@settings(max_examples=20, deadline=None)
@given(tables(), st.sampled_from([0.5, 0.9, 0.99]))
def test_random_tables_agree_with_every_policy_tried(table, gamma):
    truth, process = every_policy(table, 0, gamma), process_of(table)
    found = optimal_values(process, gamma)
    mine, everything = found.optimal(), np.ones((len(table), len(table[0])), dtype=bool)
    assert found.value[0] == pytest.approx(truth.value, abs=1e-9) and found.error < 1e-9
    assert smallest_success(process, mine)[0][0] == pytest.approx(truth.smallest, abs=1e-9)
    assert largest_success(process, mine)[0] == pytest.approx(truth.largest, abs=1e-9)
    assert largest_success(process, everything)[0] == pytest.approx(truth.of_any, abs=1e-9)


def certified(task_id: str, reward, gamma: float = 0.99):
    return certify(Problem(get_task(task_id), reward, gamma)).layouts[0]


def near(s, a, t, reward, over):
    if over and reward > 0:
        return reward + 2.0
    if over:
        return reward - 1.0
    row, column = divmod(t, 4)
    return reward + (-1.0 if s == t else 1 / (1 + np.hypot(3 - row, 3 - column)))


def test_closeness_on_slippery_ice_is_unsound_with_its_cells_shown():
    found = certified("FrozenLake-v1", rewards.free(NEAR))
    truth = sweeps(gym.make("FrozenLake-v1").unwrapped.P, near, 0.99, 3_000)[0]  # type: ignore[attr-defined]
    assert found.verdict == "unsound" and found.misses and found.high is not None
    assert found.high.value == pytest.approx(truth, abs=1e-9)
    assert found.counterexample is not None and "row 0, column 0, cell S (down" in found.counterexample.text
    assert found.chances is not None and found.chances.of_any_policy == pytest.approx(14 / 17, abs=1e-9)


@pytest.mark.slow
def test_success_alone_is_as_sound_as_gamma_allows():
    assert certified("FrozenLake-v1", SPARSE).verdict == "sound"
    found = certified("FrozenLake-v1", SPARSE, 0.9)
    assert found.verdict == "gamma-limited" and not found.misses


def test_memory_is_part_of_the_state():
    once = "if not memory.get('been') and state.column == 2:\n    memory['been'] = True\n    return 0.1\nreturn 0.0"
    found = certified("FrozenLake-v1", rewards.free(once))
    assert found.nodes > found.states and found.verdict != "not certified"


def over_steps(pays, steps: int, gamma: float) -> float:
    """The optimal value of FrozenLake's start over `steps` steps by a textbook's backward induction.

    pays(s, t, reward, over, step): the reward of going from s to t as step number `step`.
    """
    model = gym.make("FrozenLake-v1").unwrapped.P  # type: ignore[attr-defined]
    value = np.zeros(16)
    for step in range(steps, 0, -1):
        value = np.array([
            max(
                sum(p * (pays(s, t, r, over, step) + gamma * (not over) * value[t]) for p, t, r, over in model[s][a])
                for a in range(4)
            )
            for s in range(16)
        ])  # fmt: skip
    return float(value[0])


@pytest.mark.parametrize(
    ("body", "pays", "verdict"),
    [
        ("return 1.0 + 0.01 * state.step if state.solved else 0.0",
         lambda s, t, r, over, step: r + (1.0 + 0.01 * step if over and r > 0 else 0.0), "time-dependent"),
        ("return max(0.0, 3.0 - 0.5 * state.step) if state.cell in 'GH' else 0.0",
         lambda s, t, r, over, step: r + (max(0.0, 3.0 - 0.5 * step) if over else 0.0), "unsound"),
    ],
)  # fmt: skip
def test_step_counts_that_a_program_reads_are_part_of_the_state(body, pays, verdict):
    found = certified("FrozenLake-v1", rewards.free(body))
    assert found.verdict == verdict and found.by_step and found.high is not None
    assert found.high.value == pytest.approx(over_steps(pays, 100, 0.99), abs=1e-9)
    assert "reads the step count" in found.reason and found.misses == (verdict == "unsound")


def test_tables_with_too_many_steps_are_named(monkeypatch):
    monkeypatch.setattr(table_model, "_MOST_TIMED_OUTCOMES", 10_000)
    found = certified("FrozenLake-v1", rewards.free("return 0.01 * state.step"))
    assert found.verdict == "not certified" and "100 steps times" in found.reason


def test_a_cliff_pays_its_known_value():
    found = certified("CliffWalking-v1", SPARSE)
    assert found.verdict == "sound" and found.shortest == 13 and found.high is not None
    assert found.high.value == pytest.approx(-(1 - 0.99**13) / 0.01, abs=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize(("task_id", "rounds"), [("FrozenLake8x8-v1", 3_000), ("Taxi-v4", 3_000)])
def test_larger_tables_agree_with_value_iteration(task_id, rounds):
    env = gym.make(task_id)
    truth = sweeps(env.unwrapped.P, lambda s, a, t, r, over: r, 0.99, rounds)  # type: ignore[attr-defined]
    chances = env.unwrapped.initial_state_distrib  # type: ignore[attr-defined]
    found = certified(task_id, SPARSE)
    assert found.high is not None
    assert found.high.value == pytest.approx(sum(p * truth[s] for s, p in enumerate(chances)), abs=1e-9)


@pytest.mark.slow
def test_a_farmed_passenger_is_shown_as_played():
    found = certified("Taxi-v4", rewards.free("return 5.0 * (state.passenger == 4 and prev.passenger != 4)"), 0.97)
    assert found.misses and found.counterexample is not None and "pickup, dropoff, pickup" in found.counterexample.text

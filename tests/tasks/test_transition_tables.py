"""Exact models of tabular environments: optimal values that are known, agreement with play, and refusals."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest

from rewardsmith.tasks import get_task
from rewardsmith.tasks.capabilities import transition_table_of
from rewardsmith.tasks.described.description import Description
from rewardsmith.tasks.described.task import DescribedTask
from rewardsmith.tasks.transition_table import NotTabular, TransitionTable


class Chain(gym.Env):
    """Five places in a row, counted from -2; each move fails with probability 0.25."""

    observation_space = gym.spaces.Discrete(5, start=-2)
    action_space = gym.spaces.Discrete(2, start=1)
    start = 0

    def __init__(self, moves: float = 0.75, drift: float = 0.0) -> None:
        self.P = {}
        for s in range(-2, 3):
            self.P[s] = {}
            for a in (1, 2):
                to = min(max(s + (1 if a == 2 else -1), -2), 2)
                self.P[s][a] = [(moves, to, float(to == 2), to == 2), (0.25, s, 0.0, False)]
        self.drift = drift

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.place = self.start
        return self.place, {}

    def step(self, action):
        moved = self.np_random.random() < 0.75 - self.drift
        self.place = min(max(self.place + (1 if action == 2 else -1), -2), 2) if moved else self.place
        return self.place, float(moved and self.place == 2), moved and self.place == 2, False, {}


def make_chain(**kwargs):
    return Chain(**kwargs)


class Doubled(gym.RewardWrapper):
    def reward(self, reward):
        return 2 * float(reward)


def described(task_id: str = "chain", **fields) -> DescribedTask:
    given = {"id": task_id, "goal": "Get there.", "success": "terminated and reward > 0", "max_steps": 100}
    return DescribedTask(Description.model_validate(given | fields), None, examined=True)


def chain(**fields) -> DescribedTask:
    return described(env_id="test_transition_tables:make_chain", **fields)


def optimal(table: TransitionTable, gamma: float, sweeps: int) -> np.ndarray:
    values = np.zeros(table.states)
    for _ in range(sweeps):
        values = table.backup(values, gamma).max(axis=1)
    return values


def test_a_slippery_lake_has_its_known_value():
    table = get_task("FrozenLake-v1").transition_table()  # type: ignore[attr-defined]
    assert (table.states, table.actions, table.deterministic) == (16, 4, False)
    # From the start, 0.74 of the episodes of 100 steps reach the goal; 14/17 of those without a limit.
    assert table.start @ optimal(table, 1.0, 100) == pytest.approx(0.74, abs=0.005)
    assert table.start @ optimal(table, 1.0, 5_000) == pytest.approx(14 / 17, abs=1e-6)
    assert table.solved is not None and (table.solved == (table.terminated & (table.reward > 0))).all()
    task = get_task("FrozenLake-v1")
    assert task.caption(table.rows[5], {}) == "row 1, column 1, cell H"


def test_a_cliff_and_a_taxi_have_their_known_values():
    cliff = get_task("CliffWalking-v1").transition_table()  # type: ignore[attr-defined]
    assert cliff.deterministic and cliff.start @ optimal(cliff, 1.0, 100) == -13
    taxi = get_task("Taxi-v4").transition_table()  # type: ignore[attr-defined]
    assert (taxi.states, taxi.actions) == (500, 6) and np.count_nonzero(taxi.start) == 300
    values = optimal(taxi, 1.0, 100)
    shortest = _shortest(taxi)
    started = taxi.start > 0
    np.testing.assert_array_equal(values[started], 21 - shortest[started])  # 20 for the last step, -1 for the others
    assert taxi.start @ values == pytest.approx(7.93, abs=0.005)


def _shortest(table: TransitionTable) -> np.ndarray:
    """Steps to the success from each state, by breadth-first search in a deterministic table."""
    steps = np.full(table.states, np.inf)
    assert table.solved is not None
    for _ in range(60):
        after = np.where(table.solved, 0.0, np.where(table.terminated, np.inf, steps[table.successor]))
        steps = np.minimum(steps, 1 + after.reshape(table.states, table.actions).min(axis=1))
    return steps


def test_a_table_of_ones_own_counts_from_its_spaces_first_values():
    table = transition_table_of(chain())
    assert table is not None and (table.states, table.actions) == (5, 2)
    assert table.start.tolist() == [0, 0, 1, 0, 0] and table.rows[:, 0].tolist() == [-2, -1, 0, 1, 2]
    assert table.probability[table.outcomes(2, 1)].tolist() == [0.75, 0.25]
    assert table.successor[table.outcomes(0, 0)].tolist() == [0]  # both outcomes of a move to the wall are one
    assert optimal(table, 1.0, 200)[2] == pytest.approx(1)
    sums = table.expected(np.ones(len(table.probability)))
    np.testing.assert_allclose(sums, 1)


@pytest.mark.parametrize(
    "fields, reasons",
    [
        ({"env_kwargs": {"moves": 0.7}}, ["sum to 0.95", "more of this kind"]),
        ({"env_kwargs": {"drift": 0.2}}, ["play contradicts `P`", "and `P` says"]),
        ({"wrappers": ["test_transition_tables:Doubled"]}, ["the wrapper Doubled may change what `P` says"]),
        ({"wrappers": [{"wrapper": "gymnasium.wrappers:FlattenObservation"}]}, ["the observation is not the state"]),
    ],
)
def test_a_table_that_play_does_not_bear_out_is_refused(fields, reasons):
    task = chain(**fields)
    with pytest.raises(NotTabular) as refused:
        task.transition_table()
    assert all(reason in refused.value.cause for reason in reasons), refused.value.cause
    assert transition_table_of(task) is None


def test_hidden_state_beside_the_table_is_found_in_play():
    fickle = described(
        "Taxi-v4", env_kwargs={"fickle_passenger": True, "fickle_probability": 0.9}, success="terminated"
    )
    slow = described("Taxi-v4", env_kwargs={"is_rainy": True}, success="terminated")
    assert transition_table_of(slow) is not None
    with pytest.raises(NotTabular, match="play contradicts"):
        fickle.transition_table()


def test_other_environments_have_no_table():
    with pytest.raises(NotTabular, match="has no table `P`"):
        get_task("CartPole-v1").transition_table()  # type: ignore[attr-defined]
    assert transition_table_of(get_task("MiniGrid-Empty-5x5-v0")) is None

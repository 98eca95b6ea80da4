"""Exact progress: the prover's values on a chain computed by hand, lookup in rollouts, and trials."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from test_baselines import played
from tiny import TASK, TRAINING, Killed, run

from rewardsmith.errors import UsageError
from rewardsmith.methods import get_method
from rewardsmith.methods.base import Setting
from rewardsmith.methods.prover.learner import ProgressLearner, on_log_scale
from rewardsmith.methods.prover.values import prover_policy, prover_values, shortest_ways
from rewardsmith.programs.composition import Carry
from rewardsmith.programs.rollout import compose_rollout
from rewardsmith.tasks import get_task

PROGRESS = get_method("progress")

# A chain 0 - 1 - goal with the actions left and right. State 2 is terminal; left in 0 stays there.
CHAIN = SimpleNamespace(
    node=np.array([0, 1, -1]),
    successor=np.array([[0, 1], [0, 2]]),
    over=np.array([[False, False], [False, True]]),
    won=np.array([[False, False], [False, True]]),
)


def test_a_random_prover_on_a_chain_has_the_values_computed_by_hand():
    # V0 = (g V0 + g V1) / 2 and V1 = (g V0 + 1) / 2. With g = 0.8: V0 = 2/3 V1, so V1 = 15/22 and V0 = 10/22.
    assert prover_values(CHAIN, 0.8, 0.0) == pytest.approx([10 / 22, 15 / 22], rel=1e-3)


def test_a_stronger_prover_takes_the_shortest_way_more_often():
    assert shortest_ways(CHAIN).tolist() == [[False, True], [False, True]]
    assert prover_policy(CHAIN, 0.6) == pytest.approx(np.array([[0.2, 0.8], [0.2, 0.8]]))
    # V0 = 0.2 g V0 + 0.8 g V1 and V1 = 0.2 g V0 + 0.8, with g = 0.8.
    v0 = 0.64 * 0.8 / (1 - 0.16 - 0.64 * 0.16)
    assert prover_values(CHAIN, 0.8, 0.6) == pytest.approx([v0, 0.16 * v0 + 0.8], rel=1e-3)


def test_a_state_without_a_way_to_success_has_value_0():
    trap = SimpleNamespace(
        node=np.array([0, 1, -1]),
        successor=np.array([[0, 2], [1, 1]]),
        over=np.array([[False, True], [False, False]]),
        won=np.array([[False, True], [False, False]]),
    )
    assert prover_values(trap, 0.9, 0.5)[1] == 0.0
    assert prover_policy(trap, 0.5)[1].tolist() == [0.5, 0.5]


def test_the_log_scale_is_0_at_the_smallest_value_and_in_dead_ends():
    assert on_log_scale(np.array([0.0, 1e-4, 1e-2])).tolist() == pytest.approx([0.0, 0.0, 0.5])


def progress_learner(tmp_path, **options) -> ProgressLearner:
    chosen, task = PROGRESS.Options(**options), get_task(TASK)
    made = PROGRESS.learner(Setting(task, TRAINING, PROGRESS.reward("", chosen), 3, 1000, tmp_path, chosen))
    assert isinstance(made, ProgressLearner)
    return made


def test_every_state_of_a_rollout_is_found_and_an_episode_telescopes(tmp_path):
    task, made = get_task(TASK), progress_learner(tmp_path, strength=0.5)
    seen = played(task, steps=60)
    run_, values = seen.rollout, made.rewards(seen)
    live = ~run_.terminated
    assert (values["progress"][live] > 0).all()
    assert (values["progress:start"][run_.starts] > 0).all() and made.telemetry() == {
        "layouts_solved": len(made._tables)
    }
    gamma, reward = TRAINING.gamma, PROGRESS.reward("", PROGRESS.Options())
    paid = compose_rollout(reward, run_, None, gamma, Carry(), 0, values).parts["progress"]
    n = next(n for n in range(4) if not run_.starts[1:, n].any())
    discounted = float(gamma ** np.arange(60) @ paid[:, n])
    assert discounted == pytest.approx(gamma**60 * values["progress"][-1, n] - values["progress:start"][0, n])


def test_values_grow_along_the_planners_solution(tmp_path):
    task, made = get_task(TASK), progress_learner(tmp_path, strength=0.5)
    plans = task.oracle_plans(1)  # type: ignore[attr-defined]
    layout, actions = plans[0]
    batch, rows = task.batch(1, "train"), task.schema.rows(1)
    batch.play(layout)
    found = []
    for action in actions[:-1]:
        batch.state_rows(rows)
        found.append(float(made.potentials(rows)[0]))
        batch.step(np.array([action]))
    batch.close()
    assert (np.diff(found) > 0).all()


def test_a_killed_trial_with_progress_ends_bit_for_bit_the_same(tmp_path):
    methods = {PROGRESS: {"strength": 0.3}}
    whole, _ = run(tmp_path / "whole", methods)
    assert whole.telemetry["channels"]["progress"]["magnitude_per_episode"] > 0
    assert whole.telemetry["potentials"] == ["progress"]
    with pytest.raises(Killed):
        run(tmp_path / "killed", methods, kill_at=13)
    run(tmp_path / "killed", methods)
    assert (tmp_path / "whole/policy.safetensors").read_bytes() == (tmp_path / "killed/policy.safetensors").read_bytes()


@pytest.mark.parametrize(("task", "states"), [("CartPole-v1", 1000), (TASK, 10)])
def test_a_task_whose_states_cannot_be_listed_is_refused(task, states):
    with pytest.raises(UsageError, match="cannot be listed") as caught:
        PROGRESS.check(get_task(task), PROGRESS.Options(states=states), modelled=True)
    assert len(str(caught.value).splitlines()) == 2

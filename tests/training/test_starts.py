"""Start states: episodes that begin near the goal, their distance, and what counts as a success of the policy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rewardsmith.errors import UsageError
from rewardsmith.methods.recipe import recipe_of
from rewardsmith.programs.reward import SPARSE
from rewardsmith.spec import TrainingSpec, read_spec, with_defaults
from rewardsmith.tasks import get_task
from rewardsmith.training.fit import require_algorithm
from rewardsmith.training.starts import NearGoal
from rewardsmith.training.trial import TrialPlan, run_trial

TASK = "MiniGrid-DoorKey-5x5-v0"
TINY = TrainingSpec(num_envs=4, rollout_steps=64, batch_size=64, epochs=1, eval_episodes=10, final_episodes=10)
ROLLOUT, STEPS = 256, 14 * 256


class Killed(Exception):
    """Simulates kill -9."""


def trained(folder, starts: str, kill_at: int | None = None):
    points = []

    def beat(done: int) -> None:
        if kill_at is not None and done >= kill_at * ROLLOUT:
            raise Killed

    plan = TrialPlan(get_task(TASK), SPARSE, TINY.changed({"starts": starts}), 3, STEPS, 1.0, folder, curve_points=7)
    return run_trial(plan, points.append, beat), points


@given(st.integers(0, 5), st.integers(0, 12), st.integers(0, 30))
@settings(max_examples=20, deadline=None)
def test_an_episode_within_a_layout_goes_on_as_the_whole_one_does(layout: int, first: int, seed: int):
    task = get_task(TASK)
    actions = np.random.default_rng(seed).integers(0, 6, size=first + 20)
    played, placed = task.batch(1, "train"), task.batch(2, "train")
    played.play(layout)
    placed.reset(seed)
    other = task.schema.rows(2)
    placed.state_rows(other)
    for action in actions[:first]:
        played.step(np.array([action]))
        if played.terminated[0]:
            return
    task.start_within(placed, 1, layout, actions[:first].tolist())  # type: ignore[attr-defined]
    rows, mine = task.schema.rows(2), task.schema.rows(1)
    ignored = [task.schema.field(name).column for name in ("step", "event", "event_object")]
    for action in [None, *actions[first:]]:
        if action is not None:
            played.step(np.array([action]))
            placed.step(np.array([6, action]))
        placed.state_rows(rows)
        played.state_rows(mine)
        assert placed.layout[1] == layout
        assert np.array_equal(np.delete(rows[1], ignored), np.delete(mine[0], ignored))
        assert np.array_equal(np.delete(rows[0], ignored), np.delete(other[0], ignored))  # the other one stays
        if played.terminated[0]:
            break


def test_the_distance_grows_with_success_and_shrinks_with_failure():
    starts = NearGoal(get_task(TASK), 4, 0, planned=False)
    starts._judge(49, 49)
    assert starts.distance == 1.0
    starts._judge(1, 0)  # 49 of 50
    assert starts.distance == pytest.approx(1.3)
    starts._judge(50, 35)  # 70 %
    assert starts.distance == pytest.approx(1.69)
    starts._judge(50, 20)  # 40 % changes nothing
    assert starts.distance == pytest.approx(1.69)
    starts._judge(50, 15)  # 30 %
    assert starts.distance == pytest.approx(1.3)
    starts._judge(50, 0)
    starts._judge(50, 0)
    assert starts.distance == 1.0  # never below one step


def test_an_episode_begins_so_many_steps_before_the_planned_end():
    task = get_task(TASK)
    starts, batch = NearGoal(task, 64, 0, planned=True), task.batch(64, "train")
    batch.reset(0)
    starts.begin(batch, np.ones(64, dtype=bool))
    moved = starts.after(batch, np.zeros(64, dtype=np.int64))
    assert 16 < moved.sum() < 48
    plans = dict(starts._solutions)
    for env in np.flatnonzero(moved):
        layout = int(batch.layout[env])
        assert starts._taken[env][:-1] == list(plans[layout])[:-1]
    # The last action of each solution then solves the task.
    last = np.array([plans[int(n)][-1] if m else 6 for n, m in zip(batch.layout, moved, strict=True)])
    batch.step(last)
    assert batch.success[moved].all() and not batch.success[~moved].any()


def test_only_episodes_from_real_starts_count_as_successes(tmp_path):
    plain, _ = trained(tmp_path / "plain", "task")
    near, points = trained(tmp_path / "near", "near-goal-planned")
    told = points[-1].telemetry["methods"]["start states"]
    assert told["solved"] > 100 and told["distance"] >= 1.0
    assert near.telemetry["episodes"] < 40  # an episode near the goal lasts a few steps, so hundreds have ended
    assert plain.starts == near.starts


@pytest.mark.parametrize("starts", ["near-goal", "near-goal-planned"])
def test_a_resumed_trial_with_start_states_is_the_same(tmp_path, starts):
    whole, _ = trained(tmp_path / "whole", starts)
    with pytest.raises(Killed):
        trained(tmp_path / "killed", starts, kill_at=13)
    resumed, _ = trained(tmp_path / "killed", starts)
    assert (tmp_path / "whole/policy.safetensors").read_bytes() == (tmp_path / "killed/policy.safetensors").read_bytes()
    assert resumed.telemetry == whole.telemetry


def test_stored_start_states_are_restored():
    starts = NearGoal(get_task(TASK), 1, 0, planned=False)
    starts._solved.extend([(3, bytes([1, 2])), (5, b""), (7, bytes([4]))])
    starts._judge(50, 50)
    again = NearGoal(get_task(TASK), 1, 9, planned=False)
    again.load(starts.state())
    assert list(again._solved) == list(starts._solved) and again.distance == starts.distance


def test_starts_of_a_planner_are_oracle_informed():
    def informed(starts: str) -> bool:
        asked = {"task": TASK, "method": "sparse", "training": {"starts": starts}}
        return recipe_of(read_spec(with_defaults(asked))).oracle_informed

    assert informed("near-goal-planned") and not informed("near-goal")


def test_a_task_without_starts_within_a_layout_is_refused():
    with pytest.raises(UsageError, match="cannot start within a layout") as caught:
        require_algorithm(get_task("CartPole-v1"), TrainingSpec(starts="near-goal"))
    assert len(str(caught.value).splitlines()) == 2

"""The scheduled horizon: its discount, its milestones, and resumed trials."""

from __future__ import annotations

import numpy as np
import pytest

from rewardsmith.errors import UsageError
from rewardsmith.programs.reward import SPARSE
from rewardsmith.programs.rollout import Rollout
from rewardsmith.spec import TrainingSpec
from rewardsmith.tasks import get_task
from rewardsmith.training.fit import require_algorithm
from rewardsmith.training.horizon import ScheduledHorizon, farthest, gamma_of
from rewardsmith.training.trial import TrialPlan, run_trial

TASK = "MiniGrid-DoorKey-5x5-v0"
TINY = TrainingSpec(
    num_envs=4, rollout_steps=64, batch_size=64, epochs=1, eval_episodes=10, final_episodes=10, horizon="scheduled"
)


def test_a_reward_at_the_horizon_is_worth_a_fifth():
    assert gamma_of(100) ** 100 == pytest.approx(0.2)
    assert gamma_of(100) == pytest.approx(0.984034, abs=1e-6)
    assert (gamma_of(1), gamma_of(10_000)) == (0.95, 0.995)


def test_half_of_the_episodes_must_reach_the_farthest_milestone():
    nan = np.nan
    steps = np.array([[5.0, 20.0, nan], [7.0, nan, nan], [9.0, 30.0, 90.0], [nan, nan, nan]])
    assert farthest(steps) == 25.0  # reached by 3, 2 and 1 of 4; medians 7, 25 and 90
    assert farthest(steps[3:]) is None and farthest(np.empty((0, 3))) is None


def test_milestones_are_timed_from_the_start_of_their_episode():
    task = get_task(TASK)
    horizon, rollout = ScheduledHorizon(task, 1, 0.97), Rollout.empty(task, 6, 1)
    field = task.schema.field("event")
    rollout.after[:, 0, field.column] = field.number("moved")
    rollout.after[[1, 3], 0, field.column] = field.number("picked_up")  # the second time is not the first
    rollout.starts[[0, 5]], rollout.truncated[4] = True, True
    horizon.after(rollout)
    assert horizon.gamma == 0.95
    assert horizon.at_checkpoint() == gamma_of(1.5 * 2) == 0.95
    horizon._ended = [[60.0] * len(horizon._milestones)]
    assert horizon.at_checkpoint() == pytest.approx(0.2 ** (1 / 90))
    horizon._ended = [[2.0] * len(horizon._milestones)]
    assert horizon.at_checkpoint() == pytest.approx(0.2 ** (1 / 90))  # it never falls


def test_a_resumed_trial_with_a_scheduled_horizon_is_the_same(tmp_path):
    def trained(folder, kill_at=None):
        points = []

        def beat(done: int) -> None:
            if kill_at is not None and done >= kill_at * 256:
                raise KeyboardInterrupt

        plan = TrialPlan(get_task(TASK), SPARSE, TINY, 3, 14 * 256, 1.0, folder, curve_points=7)
        return run_trial(plan, points.append, beat), points

    whole, points = trained(tmp_path / "whole")
    assert points[0].telemetry["methods"]["horizon"] == {"gamma": 0.95}
    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path / "killed", kill_at=13)
    resumed, _ = trained(tmp_path / "killed")
    assert (tmp_path / "whole/policy.safetensors").read_bytes() == (tmp_path / "killed/policy.safetensors").read_bytes()
    assert resumed.telemetry == whole.telemetry


def test_a_task_without_events_is_refused():
    with pytest.raises(UsageError, match="name no events") as caught:
        require_algorithm(get_task("CartPole-v1"), TrainingSpec(horizon="scheduled"))
    assert len(str(caught.value).splitlines()) == 2

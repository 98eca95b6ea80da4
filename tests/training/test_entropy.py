"""The entropy coefficient falls as training episodes succeed, and ends as a penalty if nearly all do."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewardsmith.programs.reward import SPARSE
from rewardsmith.programs.rollout import Rollout
from rewardsmith.spec import TrainingSpec, default_training
from rewardsmith.tasks import get_task
from rewardsmith.training.entropy import EntropyCoefficient
from rewardsmith.training.learner import Learner
from rewardsmith.training.trial import TrialPlan, run_trial


def ended(succeeded: int, failed: int, cut: int = 0) -> Rollout:
    """A rollout of one step in which the given numbers of episodes end."""
    envs = succeeded + failed + cut
    rollout = Rollout.empty(get_task("MiniGrid-Empty-5x5-v0"), 1, max(envs, 1))
    for part in (rollout.success, rollout.terminated, rollout.truncated, rollout.cut):
        part[:] = False
    rollout.success[0, :succeeded] = rollout.terminated[0, :succeeded] = True
    rollout.truncated[0, succeeded:envs] = True
    rollout.cut[0, succeeded + failed : envs] = True
    return rollout


def test_the_coefficient_stays_while_nothing_succeeds():
    coefficient = EntropyCoefficient(0.01)
    assert [coefficient.after(ended(0, 100), 0.9) for _ in range(5)] == [0.01] * 5


def test_the_coefficient_is_zero_once_every_episode_succeeds():
    coefficient = EntropyCoefficient(0.01)
    assert coefficient.after(ended(200, 0), 0.5) == 0.0


def test_the_coefficient_is_a_penalty_while_the_learning_rate_falls():
    coefficient = EntropyCoefficient(0.01, hold=0.7)
    assert coefficient.after(ended(200, 0), 0.69) == 0.0
    assert coefficient.after(ended(200, 0), 0.7) == pytest.approx(-0.04)


@pytest.mark.parametrize(("succeeded", "bonus"), [(180, True), (194, True), (196, False), (199, False)])
def test_the_penalty_outweighs_the_bonus_from_98_per_cent_on(succeeded, bonus):
    coefficient = EntropyCoefficient(0.01)
    assert (coefficient.after(ended(succeeded, 200 - succeeded), 1.0) > 0) == bonus


def test_the_coefficient_follows_the_success_of_200_episodes():
    coefficient = EntropyCoefficient(0.01)
    assert coefficient.after(ended(20, 80), 0.1) == pytest.approx(0.01 * (1 - 0.5 * 0.2))


def test_episodes_truncated_by_a_checkpoint_are_no_failures():
    coefficient = EntropyCoefficient(0.01)
    before = coefficient.after(ended(200, 0), 0.9)
    assert coefficient.after(ended(0, 0, cut=64), 0.9) == before


@given(st.lists(st.tuples(st.integers(0, 300), st.integers(0, 300), st.floats(0, 1)), max_size=20))
def test_the_coefficient_is_bounded_and_kept_in_checkpoints(rollouts):
    coefficient, resumed = EntropyCoefficient(0.02), EntropyCoefficient(0.02)
    for succeeded, failed, progress in rollouts:
        assert -0.08 <= coefficient.after(ended(succeeded, failed), progress) <= 0.02
        resumed.load(coefficient.state())
        assert resumed.now == coefficient.now


class Watch(Learner):
    """Records the coefficient of each update, and whether an episode had succeeded before it."""

    def __init__(self) -> None:
        self.rows: list[float] = []

    def learn(self, seen, model) -> None:
        self.rows.append(model.ent_coef)


def train(folder, steps=16_384, kill_at=None, **settings):
    task, watch = get_task("MiniGrid-Empty-5x5-v0"), Watch()
    few = {"eval_episodes": 10, "final_episodes": 10, "num_envs": 16, "batch_size": 256, "entropy": 0.02}
    spec = TrainingSpec.model_validate({**default_training(task.id), **few, **settings})

    def beat(steps):
        if kill_at is not None and steps >= kill_at:
            raise KeyboardInterrupt

    run_trial(TrialPlan(task, SPARSE, spec, 1, steps, 1.0, folder, learners={"w": watch}), lambda point: None, beat)
    return watch.rows, (folder / "policy.safetensors").read_bytes()


def test_a_trial_s_coefficient_falls_as_the_task_is_learned(tmp_path):
    rows, _ = train(tmp_path)
    assert rows[0] == 0.02
    assert rows[-1] < 0.01


def test_a_constant_coefficient_is_left_alone(tmp_path):
    rows, _ = train(tmp_path, steps=4_096, entropy_schedule="constant")
    assert set(rows) == {0.02}


def test_a_killed_trial_keeps_its_coefficient(tmp_path):
    whole = train(tmp_path / "whole")[1]
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "killed", kill_at=13_000)
    rows, policy = train(tmp_path / "killed")
    assert rows[0] < 0.02, "it began at a checkpoint"
    assert policy == whole

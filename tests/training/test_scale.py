"""The running scale of rewards: one positive factor per rollout, and training that does not depend on units."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rewardsmith.programs.reward import SPARSE
from rewardsmith.spec import TrainingSpec, default_training
from rewardsmith.tasks import get_task
from rewardsmith.training.scale import ReturnScale, RunningScale
from rewardsmith.training.trial import TrialPlan, run_trial

TINY = {"num_envs": 4, "rollout_steps": 64, "batch_size": 64, "epochs": 2, "eval_episodes": 10, "final_episodes": 10}
SCALED = {**TINY, "normalize_reward": True}


class Killed(Exception):
    """Simulates kill -9: nothing is written after it."""


def train(folder, training, steps=2_048, weight=1.0, kill_at=None):
    task = get_task("CartPole-v1")
    reward = replace(SPARSE, channels=tuple(replace(c, weight=weight) for c in SPARSE.channels))

    def beat(steps):
        if kill_at is not None and steps >= kill_at:
            raise Killed

    spec = TrainingSpec.model_validate({**default_training(task.id), **training})
    run_trial(TrialPlan(task, reward, spec, 1, steps, 1.0, folder), lambda point: None, beat)
    return (folder / "policy.safetensors").read_bytes()


@given(
    arrays(np.float64, (6, 3), elements=st.floats(-1e3, 1e3, width=32)),
    arrays(np.bool_, (6, 3)),
    st.sampled_from([0.25, 4.0, 1024.0]),
)
def test_rewards_in_another_unit_have_the_same_scaled_values(total, ends, unit):
    first, second = ReturnScale(0.9), ReturnScale(0.9)
    for _ in range(2):
        ours, theirs = first.factor(total, ends), second.factor(unit * total, ends)
        assert ours > 0 and theirs > 0
        if total.any():
            assert unit * theirs == ours


def test_returns_of_a_constant_reward_become_about_one():
    factor = ReturnScale(0.99).factor(np.full((2000, 4), -1.0), np.zeros((2000, 4), dtype=bool))
    assert 0.9 < 100 * factor < 1.1


def test_an_episode_s_end_ends_its_return():
    ends = np.ones((50, 2), dtype=bool)
    assert ReturnScale(0.99).factor(np.full((50, 2), 2.0), ends) == 0.5


def test_rewards_of_zero_stay_unscaled():
    assert ReturnScale(0.99).factor(np.zeros((8, 2)), np.zeros((8, 2), dtype=bool)) == 1.0


def test_training_is_the_same_in_any_unit(tmp_path):
    assert train(tmp_path / "one", SCALED) == train(tmp_path / "four", SCALED, weight=4.0)
    assert train(tmp_path / "plain", TINY) != train(tmp_path / "plain4", TINY, weight=4.0)


def test_a_killed_trial_keeps_its_scale(tmp_path):
    whole = train(tmp_path / "whole", SCALED, 7_168)  # the first checkpoint is at 6,144
    with pytest.raises(Killed):
        train(tmp_path / "killed", SCALED, 7_168, kill_at=6_500)
    assert train(tmp_path / "killed", SCALED, 7_168) == whole


def returns_to_go(rewards, ends, gamma):
    found = np.zeros_like(rewards)
    following = np.zeros(rewards.shape[1])
    for t in reversed(range(len(rewards))):
        found[t] = following = rewards[t] + gamma * np.where(ends[t], 0.0, following)
    return found


@given(
    arrays(np.float64, (12, 2), elements=st.floats(-1e3, 1e3, width=32)),
    arrays(np.bool_, (12, 2)),
    st.integers(1, 11),
)
def test_a_running_scale_divides_by_the_size_of_returns_to_go(rewards, ends, split):
    scale = RunningScale(0.9, 2, target=3.0)
    scale.after(rewards[:split], ends[:split])
    found = scale.after(rewards[split:], ends[split:])
    size = np.sqrt((returns_to_go(rewards, ends, 0.9) ** 2).mean())
    assert found == 1.0 if size == 0.0 else np.isclose(found, 3.0 / size)


def test_a_running_scale_follows_units_and_forgets_old_episodes(monkeypatch):
    monkeypatch.setattr("rewardsmith.training.scale._MEMORY_STEPS", 100)
    one, other = RunningScale(0.99, 1), RunningScale(0.99, 1)
    rewards, ends = np.full((1000, 1), -0.75), np.arange(1000).reshape(-1, 1) % 10 == 9
    assert one.after(rewards, ends) == 32.0 * other.after(32.0 * rewards, ends)
    before = one.factor
    assert np.isclose(one.after(3.0 * rewards, ends), before / 3.0, rtol=1e-3)
    again = RunningScale(0.99, 1)
    again.load(one.state())
    assert again.after(rewards, ends) == one.after(rewards, ends)

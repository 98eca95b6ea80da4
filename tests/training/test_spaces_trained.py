"""Tiny trials on every kind of observation and action, whose rewards read vectors and the entries of actions."""

from __future__ import annotations

from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from space_tasks import POINT, TASKS, reward_of

from rewardsmith.spec import TrainingSpec
from rewardsmith.tasks.described.task import DescribedTask, Description
from rewardsmith.training.policies import policy_for
from rewardsmith.training.trial import TrialPlan, TrialReport, run_trial
from sandbox.client import HostError, Isolation

TRAINING = TrainingSpec(num_envs=4, rollout_steps=16, batch_size=32, epochs=1, eval_episodes=10, final_episodes=10)
STEPS = 256


def run(
    played: DescribedTask, expression: str, folder: Path, kill_at: int | None = None, steps: int = STEPS
) -> tuple[TrialReport, list]:
    points: list = []

    def beat(trained: int) -> None:
        if kill_at is not None and trained >= kill_at:
            raise KeyboardInterrupt  # as kill -9 does, nothing is written after it

    plan = TrialPlan(played, reward_of(expression), TRAINING, 1, steps, 1.0, folder, isolation=Isolation.NONE)
    return run_trial(plan, points.append, beat), points


@pytest.mark.parametrize("name", TASKS)
def test_a_trial_trains_on_every_kind_of_space(name, tmp_path):
    played, expression, policy = TASKS[name]
    report, points = run(played, expression, tmp_path)
    assert policy_for(played, TRAINING)[0].__name__ == policy
    assert report.steps == STEPS and report.complete and points
    assert (tmp_path / "policy.safetensors").exists()
    assert report.stochastic.episodes >= 4 and np.isfinite(report.stochastic.success)


def test_a_mask_forbids_what_the_environment_forbids():
    """Masked raises on a forbidden action, and random play without the mask meets one soon."""
    played = TASKS["action mask"][0]
    assert played.masked
    batch, rng = played.batch(4, "train"), np.random.default_rng(0)
    batch.reset(0)
    assert batch.masks is not None and 4 < batch.masks.sum() < 16
    with pytest.raises(Exception, match="is forbidden"):
        for _ in range(20):
            batch.step(played.actions.sample(rng, 4))
    batch.close()


@pytest.mark.parametrize(
    "name, expression, words",
    [
        ("box action", "action.thrust", "thrust"),
        ("goals in a Dict", "state.achieved_goal.w", "'w'"),
        ("goals in a Dict", "state.achieved_goal[3]", "index"),
    ],
)
def test_a_reward_that_misnames_an_entry_fails_with_its_name(name, expression, words, tmp_path):
    with pytest.raises(HostError, match=words):
        run(TASKS[name][0], expression, tmp_path)


@pytest.mark.parametrize("name", ["box action", "goals in a Dict"])
def test_a_trial_resumed_from_its_checkpoint_equals_an_uninterrupted_one(name, tmp_path):
    played, expression, _ = TASKS[name]
    steps = 4 * 16 * 12
    whole, curve = run(played, expression, tmp_path / "whole", steps=steps)
    with pytest.raises(KeyboardInterrupt):
        run(played, expression, tmp_path / "killed", kill_at=4 * 16 * 10, steps=steps)
    assert list((tmp_path / "killed").iterdir()), "the trial was killed before its first checkpoint"
    resumed, rest = run(played, expression, tmp_path / "killed", steps=steps)
    assert (tmp_path / "whole/policy.safetensors").read_bytes() == (tmp_path / "killed/policy.safetensors").read_bytes()
    assert resumed.stochastic == whole.stochastic and resumed.greedy == whole.greedy
    by_steps = {p.steps: p for p in curve}
    assert 0 < len(rest) < len(curve) and all(by_steps[p.steps].evaluation == p.evaluation for p in rest)


def test_actions_outside_of_a_box_are_clipped_for_environment_and_reward(tmp_path):
    """Point asserts that no action leaves its Box; the reward would see what the environment was given."""
    report, _ = run(POINT, "1.0 if max(abs(action.along), abs(action.across)) <= 1.0 else float('nan')", tmp_path)
    assert report.complete


class Whole(gym.Env):
    """Accepts whole numbers only."""

    observation_space = spaces.Box(0, 1, (1,), np.float32)
    action_space = spaces.Box(-2, 2, (1,), np.int64)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.zeros(1, np.float32), {"last": 0}

    def step(self, action):
        return np.zeros(1, np.float32), 0.0, False, False, {"last": int(action[0])}


gym.register("Whole-trained-v0", Whole)


def test_a_reward_reads_the_whole_numbers_that_the_environment_is_given(tmp_path):
    told = [{"name": "last", "from": "info.last"}]
    described = Description(id="Whole-trained-v0", goal="g", success="step > 9", max_steps=9, state=told)
    # A reward that read 0.7 where the environment was given 1 would fail with an index out of range.
    run(DescribedTask(described, examined=True), "[0.0][int(action[0] != state.last)]", tmp_path, steps=64)

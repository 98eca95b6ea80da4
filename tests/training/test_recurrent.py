"""Recurrent policies: resumed bit for bit, played with their state, refused by methods that cannot train them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open

from rewardsmith.errors import UsageError
from rewardsmith.methods.recipe import recipe_of
from rewardsmith.programs.reward import SPARSE
from rewardsmith.spec import TrainingSpec, default_training, read_spec
from rewardsmith.tasks import get_task
from rewardsmith.training.player import Player
from rewardsmith.training.trial import TrialPlan, build, run_trial
from rewardsmith.training.vecenv import BatchVecEnv

TASK = "MiniGrid-Empty-5x5-v0"  # 100 steps at most
TRAINING = TrainingSpec(
    num_envs=4, rollout_steps=64, batch_size=128, epochs=2, eval_episodes=16, final_episodes=16, memory="lstm"
)
STEPS = 4 * 64 * 8


class Killed(Exception):
    """Simulates kill -9."""


def run(folder: Path, kill_at: int | None = None):
    def beat(steps: int) -> None:
        if kill_at is not None and steps >= kill_at:
            raise Killed

    return run_trial(TrialPlan(get_task(TASK), SPARSE, TRAINING, 3, STEPS, 1.0, folder), lambda _: None, beat)


def test_a_killed_recurrent_trial_ends_bit_for_bit_the_same(tmp_path):
    whole = run(tmp_path / "whole")
    with pytest.raises(Killed):
        run(tmp_path / "killed", kill_at=4 * 64 * 6)
    assert (tmp_path / "killed/checkpoint.safetensors").exists()
    assert run(tmp_path / "killed").stochastic == whole.stochastic
    policies = [tmp_path / name / "policy.safetensors" for name in ("whole", "killed")]
    assert policies[0].read_bytes() == policies[1].read_bytes()
    with safe_open(str(policies[0]), "pt") as file:
        assert '"memory": "lstm"' in file.metadata()["policy"] and "RecurrentPPO" in file.metadata()["policy"]


@pytest.fixture
def policy():
    task = get_task(TASK)
    torch.manual_seed(0)
    env = BatchVecEnv(task.batch(4, "train"), task, 64, seed=0)
    made = build(TrialPlan(task, SPARSE, TRAINING, 0, STEPS, 1.0, Path()), env)
    yield made.policy
    env.close()


def test_the_recurrent_player_equals_sb3_contrib_s(policy):
    rng = np.random.default_rng(0)
    player = Player(policy, get_task(TASK), 5, rng, greedy=True)
    state, starts = None, np.ones(5, bool)
    for t in range(30):
        seen = rng.random((5, policy.observation_space.shape[0]), dtype=np.float32)
        seen[:, :147] = 0.0
        expected, state = policy.predict(seen, state, starts, deterministic=True)
        assert (player.act(seen) == expected).all(), t
        starts = rng.random(5) < 0.2
        player.restart(starts)


def test_environments_no_longer_played_do_not_disturb_the_others(policy):
    seen = np.random.default_rng(0).random((6, 3, policy.observation_space.shape[0]), dtype=np.float32)
    seen[:, :, :147] = 0.0
    every, some = (Player(policy, get_task(TASK), 3, np.random.default_rng(0), greedy=True) for _ in range(2))
    playing = np.array([True, False, True])
    for t in range(6):
        assert (every.act(seen[t])[playing] == some.act(seen[t][playing], playing)).all()


def test_tasks_that_need_memory_have_it_by_default():
    assert default_training("MiniGrid-MemoryS7-v0")["memory"] == "lstm"
    assert "memory" not in default_training("MiniGrid-DoorKey-8x8-v0")


def test_a_method_that_calls_the_network_itself_refuses_memory():
    spec = read_spec({"task": "MiniGrid-MemoryS7-v0", "method": "ulps", "training": {"memory": "lstm"}})
    with pytest.raises(UsageError, match="does not support recurrent policies"):
        recipe_of(spec)

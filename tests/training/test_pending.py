"""Rewards of an off-policy trial are scored while training goes on, and are there when a gradient step reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rewardsmith.programs.composition import Channel
from rewardsmith.programs.reward import TrainingReward
from rewardsmith.training.pending import PendingRewards
from rewardsmith.training.replay import ShapedReplayBuffer
from rewardsmith.training.trial import run_trial
from sandbox.client import RewardHost
from tests.training.test_algorithms import ignored, rebuilt, trial

LEAN = "def reward(prev, action, state, memory):\n    return 3.0 + state.pole_angle\n"
REWARD = TrainingReward(LEAN, ("reward",), (Channel("env", "env"), Channel("reward", "program")))


@pytest.fixture(autouse=True)
def kept_replay(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the files of replay buffers, which a complete trial deletes."""
    monkeypatch.setattr(ShapedReplayBuffer, "discard", lambda self: None)


def test_a_sampled_batch_holds_the_rewards_of_all_its_transitions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settled, drawn = [], []
    whole, draw = PendingRewards.settle, ShapedReplayBuffer._get_samples

    def settle(self: PendingRewards) -> None:
        settled.append(self._waiting)
        whole(self)

    def sample(self: ShapedReplayBuffer, rows: Any, env: Any = None) -> Any:
        drawn.append(draw(self, rows, env))
        return drawn[-1]

    monkeypatch.setattr(PendingRewards, "settle", settle)
    monkeypatch.setattr(ShapedReplayBuffer, "_get_samples", sample)
    run_trial(trial(tmp_path, "dqn", 400, REWARD, train_freq=2, buffer_size=90), ignored, ignored)
    for batch in drawn:
        expected = 4.0 + 0.2095 * batch.next_observations[:, 2:3]  # observations are scaled to the limit
        assert torch.allclose(batch.rewards, expected, atol=1e-5)
    assert len(drawn) == 190 and max(settled) > 2, "transitions wait for longer than one collection"


def test_a_slow_host_changes_no_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plans = [trial(tmp_path / name, "dqn", 300, REWARD, normalize_reward=True) for name in ("free", "busy")]
    run_trial(plans[0], ignored, ignored)
    monkeypatch.setattr(RewardHost, "tend", lambda self: False)  # it takes no chunk before it is asked for all
    run_trial(plans[1], ignored, ignored)
    one, other = (rebuilt(plan) for plan in plans)
    assert np.array_equal(one.replay_buffer.rewards, other.replay_buffer.rewards)
    for name, value in one.policy.state_dict().items():
        assert torch.equal(value, other.policy.state_dict()[name]), name

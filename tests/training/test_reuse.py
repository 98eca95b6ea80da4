"""What a replay buffer keeps beside a transition, and a trial that begins from the buffer of an earlier one."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rewardsmith.errors import UsageError
from rewardsmith.programs.composition import Channel
from rewardsmith.programs.dependence import uses_memory
from rewardsmith.programs.reward import TrainingReward
from rewardsmith.spec import with_defaults
from rewardsmith.training.checkpoint import load_checkpoint
from rewardsmith.training.stored import open_replay
from rewardsmith.training.trial import TrialPlan, TrialReport, build, run_trial
from rewardsmith.training.vecenv import BatchVecEnv
from tests.training.test_algorithms import Stopped, ignored, stop_at, trial

CHANNELS = (Channel("env", "env"), Channel("reward", "program", weight=2.0), Channel("potential", "potential"))


def program(factor: float) -> TrainingReward:
    source = f'''def reward(prev, action, state, memory):
    """Two components."""
    found = {{"place": {factor} * state.position}}
    if action > 0:
        found["push"] = 0.5
    return found


def potential(state, memory):
    """Speed."""
    return {factor} * abs(state.velocity)
'''
    return TrainingReward(source, ("reward", "potential"), CHANNELS)


def reusing(folder: Path, reward: TrainingReward, donor: Path | None = None, **changes: Any) -> TrialPlan:
    settings = {"reuse": True, "normalize_reward": True, "train_freq": 4, "target_update_interval": 100, **changes}
    plan = trial(folder, "dqn", 3000, reward, **settings)
    return replace(plan, donor=donor, donor_name="first", curve_points=1)


@pytest.fixture(autouse=True)
def mountain_car(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rewardsmith.training.schedule._CUT_STEPS", 0)  # a checkpoint every 600 steps
    monkeypatch.setattr("tests.training.test_algorithms.TASKS", {"dqn": "MountainCar-v0"})


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a complete trial with `reuse`."""
    folder = tmp_path_factory.mktemp("kept")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("rewardsmith.training.schedule._CUT_STEPS", 0)
        patch.setattr("tests.training.test_algorithms.TASKS", {"dqn": "MountainCar-v0"})
        run_trial(reusing(folder, program(1.0)), ignored, ignored)
    return folder


def test_components_and_channels_can_be_read_and_weighted_again(kept: Path) -> None:
    stored = open_replay(kept)
    place, push = stored.component("place"), stored.component("push")
    assert stored.components == ("place", "push") and len(stored) == 3000
    assert np.allclose(place[:, 0], 1.2 * stored["next_observations"][:, 0, 0], atol=1e-5)
    assert set(np.unique(push)) == {0.0, 0.5} and np.array_equal(push > 0, stored["actions"][:, :, 0] > 0)
    assert np.allclose(stored.channel("reward"), 2.0 * (place + push), atol=1e-6)
    assert np.allclose(stored.total({}), stored["rewards"], atol=1e-5)
    assert np.allclose(stored.total({"env": 0.0, "potential": 0.0}), stored.channel("reward"), atol=1e-5)
    with pytest.raises(UsageError, match="no channel 'other'"):
        stored.total({"other": 1.0})


def test_relabelled_rewards_are_those_of_collecting(kept: Path, tmp_path: Path) -> None:
    # The same program: what relabelling writes must equal what the donor was paid, bit for bit.
    found = run_trial(replace(reusing(tmp_path, program(1.0), kept), fraction=0.5), ignored, ignored)
    assert found.telemetry["reused"] == {"donor": "first", "transitions": 3000, "saved": 600, "note": ""}
    assert found.steps == 600 and not found.complete  # 1,800 of 3,000 are taken over, and the rung ends at 2,400
    first, again = open_replay(kept), open_replay(tmp_path)
    assert len(again) == 3000, "the newest steps replace the oldest ones"
    for name in ("rewards", "env_rewards", "parts", "observations", "component-0", "component-1", "flags"):
        assert np.array_equal(first[name][600:], again[name][:2400]), name


def rest(report: TrialReport) -> TrialReport:
    return replace(report, seconds=0.0, steps_per_second=0.0, telemetry=report.telemetry["reused"])


def test_a_trial_that_began_from_a_donor_resumes_exactly(kept: Path, tmp_path: Path) -> None:
    whole, parts = (reusing(tmp_path / name, program(3.0), kept) for name in ("whole", "parts"))
    expected = run_trial(whole, ignored, ignored)
    with pytest.raises(Stopped):
        run_trial(parts, ignored, stop_at(900))
    found = run_trial(replace(parts, donor=Path("gone")), ignored, ignored)
    assert rest(found) == rest(expected) and found.steps == 1200
    assert found.telemetry["reused"]["saved"] == 1800
    one, other = (rebuilt(plan) for plan in (whole, parts))
    for name, value in one.policy.state_dict().items():
        assert torch.equal(value, other.policy.state_dict()[name]), name
    assert one._n_updates == 3000 // 4 - 20 // 4


def rebuilt(plan: TrialPlan) -> Any:
    env = BatchVecEnv(plan.task.batch(1, "train"), plan.task, plan.training.collected, 0)
    model = build(plan, env)
    assert load_checkpoint(plan.folder, model) is not None
    return model


def test_a_trial_starts_empty_where_it_cannot_reuse_and_says_why(kept: Path, tmp_path: Path) -> None:
    remembers = program(1.0).source.replace("    found = {", '    memory["t"] = 1\n    found = {', 1)
    asked = reusing(tmp_path / "memory", replace(program(1.0), source=remembers), kept)
    found = run_trial(replace(asked, steps=600), ignored, ignored)
    assert found.steps == 600 and found.telemetry["reused"]["note"] == "its program uses memory"
    gone = replace(reusing(tmp_path / "gone", program(1.0), tmp_path / "nowhere"), steps=600)
    assert "is not on this machine" in run_trial(gone, ignored, ignored).telemetry["reused"]["note"]


def test_a_claim_starts_empty_and_deletes_its_buffer(kept: Path, tmp_path: Path) -> None:
    found = run_trial(replace(reusing(tmp_path, program(1.0), kept), pool="claim", steps=600), ignored, ignored)
    assert found.steps == 600 and "reused" not in found.telemetry and not (tmp_path / "replay").exists()


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("def reward(prev, action, state, memory):\n    return 1.0\n", False),
        ("def reward(prev, action, state, memory):\n    return helper(memory)\n", True),
        ("def reward(*given):\n    return 1.0\n", True),
        ("reward = lambda prev, action, state, memory: 1.0\n", True),
    ],
)
def test_memory_is_recognised_in_the_text_of_a_program(source: str, expected: bool) -> None:
    assert uses_memory(TrainingReward(source, ("reward",), (Channel("reward"),))) is expected


@pytest.mark.parametrize("algorithm", ["ppo", "a2c"])
def test_reuse_is_refused_without_a_replay_buffer(algorithm: str) -> None:
    with pytest.raises(UsageError, match="has no setting `reuse`"):
        with_defaults({"task": "CartPole-v1", "training": {"algorithm": algorithm, "reuse": True}})


def test_a_folder_without_a_buffer_is_named(tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "replay", ignore_errors=True)
    with pytest.raises(UsageError, match="contains no replay buffer"):
        open_replay(tmp_path)

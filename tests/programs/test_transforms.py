"""--transform: the gate `outcome` and the changes of `delta`, from the command line to a resumed trial."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rewardsmith.cli.methods import read_transforms
from rewardsmith.errors import UsageError
from rewardsmith.methods.recipe import recipe_of
from rewardsmith.programs.composition import Carry, Channel, compose
from rewardsmith.programs.problem import Problem
from rewardsmith.programs.reward import TrainingReward
from rewardsmith.programs.rollout import Rollout
from rewardsmith.spec import TrainingSpec, read_spec
from rewardsmith.tasks import get_task
from rewardsmith.training.outcome import OutcomeRate
from rewardsmith.training.trial import TrialPlan, run_trial
from rewardsmith.verification.certificate import certify_layout
from rewardsmith.verification.model import NotCertified

TASK = "MiniGrid-DoorKey-5x5-v0"
REWARD = "def reward(prev, action, state, memory):\n    return 0.1 if state.carrying is not None else 0.0\n"


def paid(channel: Channel, raw: list[float], starts: list[bool], success_rate: float = 0.0) -> list[float]:
    carry, shape = Carry(success_rate=success_rate), (len(raw), 1)
    made = compose(
        (channel,),
        {channel.name: np.array(raw).reshape(shape)},
        np.array(starts).reshape(shape),
        np.zeros(shape, dtype=bool),
        0.99,
        carry,
    )
    return made.total.ravel().tolist()


@pytest.mark.parametrize(("success_rate", "factor"), [(0.0, 1.0), (0.05, 1.0), (0.425, 0.5), (0.8, 0.0), (1.0, 0.0)])
def test_the_outcome_gate_closes_linearly_between_5_and_80_percent(success_rate, factor):
    channel = Channel("dense", weight=2.0, gate="outcome")
    assert paid(channel, [3.0], [True], success_rate) == pytest.approx([6.0 * factor])


def test_changes_of_an_episode_add_up_to_its_last_value():
    channel = Channel("reward", weight=2.0, delta=True)
    assert paid(channel, [1.0, 1.0, 4.0, 0.5, 0.5], [True, False, False, True, False]) == [2.0, 0.0, 6.0, 1.0, 0.0]
    both = compose_in_two(channel, [1.0, 1.0, 4.0], [True, False, False])
    assert both == [2.0, 0.0, 6.0]


def compose_in_two(channel: Channel, raw: list[float], starts: list[bool]) -> list[float]:
    """The same episode in rollouts of one step, which share the carry."""
    carry, found = Carry(), []
    for value, start in zip(raw, starts, strict=True):
        one = (np.array([[value]]), np.array([[start]]))
        made = compose((channel,), {channel.name: one[0]}, one[1], np.zeros((1, 1), dtype=bool), 0.99, carry)
        found.append(float(made.total[0, 0]))
    return found


def test_a_channel_without_delta_is_stored_as_before():
    assert "delta" not in Channel("reward").as_dict()
    reward = TrainingReward(REWARD, ("reward",), (Channel("reward", delta=True),))
    assert TrainingReward.from_dict(reward.as_dict()) == reward


def test_the_success_rate_is_that_of_the_latest_200_uncut_episodes():
    rate = OutcomeRate()
    assert rate.rate == 0.0
    made = Rollout.empty(get_task(TASK), 100, 4)
    made.terminated[:, :3] = made.success[:, :1] = True
    made.cut[:, 2] = True
    rate.after(made)
    assert rate.rate == 0.5  # environment 0 succeeds, 1 fails, 2 is cut, 3 goes on
    made.success[:] = True
    rate.after(made)
    assert rate.rate == 1.0
    again = OutcomeRate()
    again.load(rate.state())
    assert again.rate == 1.0 and len(again.state()) == 200


def test_transforms_change_channels_and_leave_other_fingerprints():
    values = {"task": TASK, "combine": ["count"]}
    changed = read_spec({**values, "transforms": {"dense": "outcome", "count": "delta"}})
    channels = {c.name: c for c in recipe_of(changed).reward("").channels}
    assert channels["dense"].gate == "outcome" and channels["count"].delta
    assert channels["sparse"] == Channel("sparse", bound="sign")
    plain = read_spec(values)
    assert plain.fingerprint() != changed.fingerprint()
    assert plain.fingerprint() == read_spec({**values, "transforms": {}}).fingerprint()


@pytest.mark.parametrize(
    ("method", "transforms", "words"),
    [
        ("free", {"dense": "delta"}, "channel 'dense', which this job does not have"),
        ("free", {"env": "delta"}, "kind env, which must stay"),
        ("oni", {"oni": "outcome"}, "the gate 'count' already"),
    ],
)
def test_a_transform_of_another_channel_is_a_cause_and_a_remedy(method, transforms, words):
    with pytest.raises(UsageError, match=words) as caught:
        recipe_of(read_spec({"task": TASK, "method": method, "transforms": transforms}))
    assert len(str(caught.value).splitlines()) == 2


def test_transforms_are_read_from_the_command_line():
    assert read_transforms(["dense=outcome", "count = delta"]) == {"dense": "outcome", "count": "delta"}
    for wrong, words in ((["dense"], "no change"), (["dense=louder"], "no change"), (["a=delta", "a=delta"], "twice")):
        with pytest.raises(UsageError, match=words):
            read_transforms(wrong)


@pytest.mark.parametrize("change", [{"delta": True}, {"gate": "outcome"}])
def test_a_transformed_reward_is_not_certified(change):
    reward = TrainingReward(REWARD, ("reward",), (Channel("env", "env"), Channel("reward", **change)))
    with pytest.raises(NotCertified, match="channel reward"):
        certify_layout(Problem(get_task(TASK), reward, 0.99), 0)


class Killed(Exception):
    """Simulates kill -9."""


def trained(folder: Path, kill_at: int | None = None):
    """A trial of 14 rollouts with an outcome gate whose closing begins with the first success."""
    task = get_task(TASK)
    training = TrainingSpec(num_envs=8, rollout_steps=64, batch_size=128, epochs=2, eval_episodes=10, final_episodes=10)
    channels = (Channel("env", "env"), Channel("reward", weight=0.2, gate="outcome"))
    reward = TrainingReward(REWARD, ("reward",), channels)

    def beat(done: int) -> None:
        if kill_at is not None and done >= kill_at * 512:
            raise Killed

    return run_trial(TrialPlan(task, reward, training, 1, 14 * 512, 1.0, folder, curve_points=3), lambda _: None, beat)


def test_a_killed_trial_with_an_outcome_gate_ends_bit_for_bit_the_same(tmp_path):
    whole = trained(tmp_path / "whole")
    with pytest.raises(Killed):
        trained(tmp_path / "killed", kill_at=13)
    resumed = trained(tmp_path / "killed")
    assert (tmp_path / "whole/policy.safetensors").read_bytes() == (tmp_path / "killed/policy.safetensors").read_bytes()
    assert replace(resumed, seconds=0, steps_per_second=0) == replace(whole, seconds=0, steps_per_second=0)

"""Milestones: labels of progress, the learned potential, and resumed trials; stepwise progress."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_baselines import played
from tiny import TASK, TRAINING, Killed, run, run_program

from rewardsmith.agents import roles
from rewardsmith.agents.registry import open_model
from rewardsmith.errors import UsageError
from rewardsmith.methods import get_method
from rewardsmith.methods.base import Setting
from rewardsmith.methods.milestone_progress.labels import ReachedMilestones, progress_labels
from rewardsmith.methods.milestone_progress.network import ProgressNetwork
from rewardsmith.methods.stepwise import StepwiseLearner
from rewardsmith.programs.composition import Carry, Channel, compose
from rewardsmith.programs.problem import Problem
from rewardsmith.tasks import get_task
from rewardsmith.verification.checks import Proof, run_checks

MILESTONES, STEPWISE = get_method("milestones"), get_method("stepwise")
PROGRAM = (
    'def subgoals():\n    return {"take the key": took_key, "go east": went_east}\n\n\n'
    "def took_key(prev, action, state, memory):\n"
    "    return 1.0 if prev.carrying is None and state.carrying is not None else 0.0\n\n\n"
    "def went_east(prev, action, state, memory):\n    return 1.0 if state.agent.x > prev.agent.x else 0.0\n"
)


def test_progress_grows_linearly_between_milestones():
    # K = 2, so three stages. The first milestone comes on step 2, the second on step 4; the episode fails on step 6.
    labels = progress_labels(np.array([0, 1, 1, 2, 2, 2]), success=False, milestones=2)
    assert labels == pytest.approx([1 / 6, 2 / 6, 3 / 6, 4 / 6, 4 / 6, 4 / 6])


def test_progress_of_a_success_ends_at_1_also_if_a_milestone_was_missed():
    assert progress_labels(np.array([0, 1, 1, 1]), True, 2) == pytest.approx([1 / 6, 2 / 6, 4 / 6, 1.0])
    assert progress_labels(np.array([0]), True, 3).tolist() == [1.0]
    assert progress_labels(np.array([0, 0, 0]), False, 3).tolist() == [0.0, 0.0, 0.0]


@given(st.lists(st.integers(0, 2), min_size=1, max_size=30), st.booleans())
def test_progress_never_falls_and_is_at_least_the_share_of_milestones(rises, success):
    reached = np.minimum(np.cumsum(rises), 4)
    labels = progress_labels(reached, success, 4)
    assert (np.diff(labels) >= -1e-12).all() and labels[0] >= 0.0 and labels[-1] <= 1.0
    assert (labels >= reached / 5 - 1e-12).all()


def test_a_milestone_counts_once_per_episode_over_rollouts():
    count = ReachedMilestones(1, 2)
    fired = np.array([[[1, 0]], [[1, 0]], [[0, 1]]], dtype=bool)
    no = np.zeros((3, 1), dtype=bool)
    assert count(fired, no).ravel().tolist() == [1, 1, 2]
    assert count.episodes.tolist() == [1, 1]
    assert count(fired, np.array([[False], [True], [False]])).ravel().tolist() == [2, 1, 2]
    assert count.episodes.tolist() == [2, 2]


def test_the_network_learns_progress_from_episodes():
    network = ProgressNetwork(1, seed=0, learning_rate=1e-2)
    seen = [np.linspace(0, 1, 20, dtype=np.float32)[:, None] for _ in range(3)]
    network.train(seen, [np.linspace(0, 1, 20)] * 3, 200)
    low, high = network(np.array([[0.1], [0.9]], dtype=np.float32))
    assert low == pytest.approx(0.1, abs=0.08) and high == pytest.approx(0.9, abs=0.08)


def test_a_learned_potential_telescopes_although_phi_changes():
    # One episode over two rollouts; between them Phi grew by 0.3. It then terminates, where Phi is 0.
    channel, carry = Channel("milestones", kind="learned", weight=2.0), Carry()
    gamma, starts = 0.9, np.array([[True], [False]])
    first = {"milestones": np.array([[0.2], [0.4]]), "milestones:start": np.array([[0.1], [0.0]])}
    second = {"milestones": np.array([[0.7], [0.9]]), "milestones:start": np.zeros((2, 1))}
    never = np.zeros((2, 1), dtype=bool)
    one = compose((channel,), first, starts, never, gamma, carry).total.ravel()
    two = compose((channel,), second, never, np.array([[False], [True]]), gamma, carry).total.ravel()
    assert one == pytest.approx([2 * (0.9 * 0.2 - 0.1), 2 * (0.9 * 0.4 - 0.2)])
    assert two == pytest.approx([2 * (0.9 * 0.7 - 0.4), 2 * (0.0 - 0.7)])
    paid = np.concatenate([one, two])
    assert float(gamma ** np.arange(4) @ paid) == pytest.approx(-2 * 0.1)  # - w * Phi(s0)
    with pytest.raises(ValueError, match="breaks its invariance"):
        Channel("milestones", kind="learned", gate="latch")


def milestone_learner(tmp_path, **options):
    chosen, task = MILESTONES.Options(**options), get_task(TASK)
    return MILESTONES.learner(Setting(task, TRAINING, MILESTONES.reward(PROGRAM, chosen), 3, 1000, tmp_path, chosen))


def test_differences_use_the_number_that_the_step_before_used(tmp_path):
    made = milestone_learner(tmp_path, shaping="progress")
    after, starts = np.array([[0.2] * 4, [0.5] * 4]), np.zeros((2, 4), dtype=bool)
    starts[0] = True
    first = made._differences(after, np.full((2, 4), 0.1), starts)  # type: ignore[union-attr]
    later = made._differences(after + 0.3, np.zeros((2, 4)), np.zeros((2, 4), dtype=bool))  # type: ignore[union-attr]
    assert first[:, 0] == pytest.approx([0.1, 0.3]) and later[:, 0] == pytest.approx([0.0, 0.3])


@pytest.mark.parametrize(("shaping", "kind"), [("potential", "learned"), ("progress", "bonus")])
def test_the_channel_exists_in_training_only(shaping, kind):
    reward = MILESTONES.reward(PROGRAM, MILESTONES.Options(shaping=shaping))
    assert [(c.name, c.kind) for c in reward.channels] == [("env", "env"), ("milestones", kind)]
    assert reward.functions == ("took_key", "went_east") and reward.training_only == ("milestones",)
    assert [c.name for c in reward.written.channels] == ["env"]
    assert reward.potentials == (("milestones",) if kind == "learned" else ())
    assert run_checks(Problem(get_task(TASK), reward.written, 0.99), Proof(wanted=False)).passed


@pytest.mark.parametrize("shaping", ["potential", "progress"])
def test_a_killed_trial_with_milestones_ends_bit_for_bit_the_same(tmp_path, shaping):
    options = {"shaping": shaping}
    whole, curve = run_program(tmp_path / "whole", MILESTONES, PROGRAM, options)
    told = whole.telemetry["methods"]["milestones"]
    assert told["loss"] is not None and set(told["reached"]) == {"took_key", "went_east"}
    assert whole.telemetry["channels"]["milestones"]["magnitude_per_episode"] > 0
    assert "went_east" in MILESTONES.evidence(told)[0]
    with pytest.raises(Killed):
        run_program(tmp_path / "killed", MILESTONES, PROGRAM, options, kill_at=13)
    resumed, rest = run_program(tmp_path / "killed", MILESTONES, PROGRAM, options)
    assert (tmp_path / "whole/policy.safetensors").read_bytes() == (tmp_path / "killed/policy.safetensors").read_bytes()
    assert resumed.telemetry == whole.telemetry and rest[-1].telemetry == curve[-1].telemetry


def test_a_killed_trial_of_both_channels_ends_bit_for_bit_the_same(tmp_path):
    methods = {MILESTONES: {}, STEPWISE: {"batches": 3}}
    whole, _ = run(tmp_path / "whole", methods)
    assert set(whole.telemetry["channels"]) == {"env", "milestones", "stepwise", "grounding"}
    assert 0 < whole.telemetry["channels"]["grounding"]["mean_per_episode"] <= 0.1 + 1e-9
    with pytest.raises(Killed):
        run(tmp_path / "killed", methods, kill_at=13)
    resumed, _ = run(tmp_path / "killed", methods)
    assert (tmp_path / "whole/policy.safetensors").read_bytes() == (tmp_path / "killed/policy.safetensors").read_bytes()
    assert resumed.telemetry == whole.telemetry


def test_preset_milestones_need_a_planner():
    options = MILESTONES.combined_options({})
    assert MILESTONES.oracle_informed(options, modelled=True)
    with pytest.raises(UsageError, match="No planner provides milestones"):
        MILESTONES.check(get_task("CartPole-v1"), options, modelled=True)


def test_synth_writes_milestones():
    contract = MILESTONES.contract(MILESTONES.Options())
    assert contract is not None
    asked = roles.DesignRequest(contract, get_task(TASK).interface(), 1, 0, 3, "new", 0, [], [])
    source = roles.design(open_model("synth"), asked).result.source
    assert MILESTONES.functions(source, MILESTONES.Options()) == ("carry_the_key", "unlock_the_door")


def test_stepwise_decomposes_the_outcome_and_grounds_new_states_once(tmp_path):
    task, options = get_task(TASK), STEPWISE.Options()
    made = STEPWISE.learner(Setting(task, TRAINING, STEPWISE.reward("", options), 3, 1000, tmp_path, options))
    assert isinstance(made, StepwiseLearner)
    seen = played(task, steps=40)
    seen.rollout.terminated[10, 0] = seen.rollout.success[10, 0] = True
    seen.rollout.rewards[10, 0] = 0.7
    assert made.decomposed(seen)[:, 0].sum() == 1.0 and made.decomposed(seen)[10, 0] == 1.0
    grounded = made.rewards(seen)["grounding"]
    still = (seen.observations == seen.following).all(-1) & (seen.rollout.before[..., 1:] == 0).all(-1)
    assert set(np.unique(grounded)) == {0.0, 1.0} and not grounded[still].any()
    again = made.rewards(seen)["grounding"]
    running = ~seen.rollout.starts.any(0)
    assert again[:, running].sum() <= grounded[:, running].sum()

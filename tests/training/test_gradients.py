"""The telemetry of the learner: gradients by hand on a tiny policy, and a trial that it does not disturb."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from stable_baselines3.common.callbacks import CallbackList

from rewardsmith.programs.reward import SPARSE
from rewardsmith.spec import TrainingSpec, default_training
from rewardsmith.tasks import get_task
from rewardsmith.telemetry import Learning
from rewardsmith.training import progress
from rewardsmith.training.gradients import learning_telemetry
from rewardsmith.training.learner import Learner, TeacherPolicy
from rewardsmith.training.scale import ReturnScale
from rewardsmith.training.trial import TrialPlan, build, run_trial
from rewardsmith.training.vecenv import BatchVecEnv

TASK = "CartPole-v1"
SMALL = {
    "num_envs": 4, "rollout_steps": 32, "batch_size": 64, "epochs": 2, "eval_episodes": 10, "final_episodes": 10,
    "hidden": (8,), "entropy": 0.01, "normalize_reward": False,
}  # fmt: skip


def settings(**changes) -> TrainingSpec:
    return TrainingSpec.model_validate({**default_training(TASK), **SMALL, **changes})


@pytest.fixture
def policy_with_rollout(tmp_path):
    """A model of two actions whose policy sees nothing: all logits are the bias (0.3, -0.3)."""
    made = []

    def make(**changes):
        task, spec = get_task(TASK), settings(**changes)
        env = BatchVecEnv(task.batch(4, "train"), task, 32, seed=0)
        made.append(env)
        model = build(TrialPlan(task, SPARSE, spec, 0, 1024, 1.0, tmp_path), env)
        buffer = model.rollout_buffer
        buffer.shape_rollout = lambda: env.rollout.rewards.astype(np.float64)
        with torch.no_grad():
            model.policy.action_net.weight.zero_()
            model.policy.action_net.bias.copy_(torch.tensor([0.3, -0.3]))
        model.learn(0)
        model._last_obs = env.reset()
        quiet = CallbackList([])
        quiet.init_callback(model)
        model.collect_rollouts(env, quiet, buffer, 32)
        return model, env

    yield make
    for env in made:
        env.close()


@pytest.mark.parametrize("normalized", [False, True])
def test_gradients_are_those_computed_by_hand(policy_with_rollout, normalized):
    model, _ = policy_with_rollout(normalize_advantage=normalized, entropy=0.02, batch_size=128)
    found = learning_telemetry(model, 1.0)
    buffer = model.rollout_buffer
    with torch.no_grad():
        latent = model.policy.mlp_extractor.forward_actor(torch.as_tensor(buffer.observations.reshape(128, 4)))
    features = np.c_[latent.numpy(), np.ones(128)]  # what weights and bias of the last layer are multiplied by
    p = 1 / (1 + np.exp(-0.6)), 1 / (1 + np.exp(0.6))
    advantages = buffer.advantages.reshape(128).astype(np.float64)
    if normalized:
        advantages = (advantages - advantages.mean()) / advantages.std(ddof=1)
    taken = buffer.actions.reshape(128).astype(int)
    score = np.stack([(taken == a) - p[a] for a in (0, 1)], 1)  # d log pi / d logits
    by_advantage = np.einsum("b,ba,bf->af", advantages, score, features) / 128
    entropy = -sum(q * math.log(q) for q in p)
    slope = np.array([-q * (math.log(q) + entropy) for q in p])  # d H / d logits
    by_entropy = 0.02 * np.outer(slope, features.mean(0))
    # The last layer's weights are 0, so no gradient reaches what lies below.
    assert found.advantage_gradient == pytest.approx(np.linalg.norm(by_advantage), rel=1e-3)
    assert found.entropy_gradient == pytest.approx(np.linalg.norm(by_entropy), rel=1e-3)
    share = np.linalg.norm(by_advantage) / (np.linalg.norm(by_advantage) + np.linalg.norm(by_entropy))
    assert found.advantage_share == pytest.approx(share, rel=1e-3)
    assert found.entropy == pytest.approx(entropy, rel=1e-5)
    assert found.entropy_share == pytest.approx(entropy / math.log(2), rel=1e-5)
    assert found.entropy_coefficient == 0.02


def test_measuring_changes_neither_gradients_nor_parameters_nor_generators(policy_with_rollout):
    model, _ = policy_with_rollout()
    for p in model.policy.parameters():
        p.grad = torch.full_like(p, 0.5)
    before = [p.detach().clone() for p in model.policy.parameters()]
    drawn, numpy_drawn = torch.get_rng_state(), np.random.get_state()[1].copy()
    learning_telemetry(model, 1.0)
    assert all((p.grad == 0.5).all() and (p == q).all() for p, q in zip(model.policy.parameters(), before, strict=True))
    assert (torch.get_rng_state() == drawn).all() and (np.random.get_state()[1] == numpy_drawn).all()


def test_the_signal_is_the_scale_of_returns_in_the_unit_of_the_loss(policy_with_rollout):
    model, env = policy_with_rollout(normalize_advantage=False)
    ends = env.rollout.terminated | env.rollout.truncated
    plain = learning_telemetry(model, 4.0)
    assert plain.return_scale == plain.signal == 4.0
    scale = ReturnScale(model.gamma)
    factor = scale.factor(env.rollout.rewards.astype(np.float64), ends)
    scaled = learning_telemetry(model, 4.0, scale)
    assert scaled.return_scale == 4.0 and scaled.signal == pytest.approx(4.0 * factor)
    model.normalize_advantage = True
    spread = model.rollout_buffer.advantages.std()
    assert learning_telemetry(model, 4.0).signal == pytest.approx(4.0 / spread)
    assert learning_telemetry(model, 0.0, ReturnScale(model.gamma)).signal == 0.0


def run(folder, steps=1024, **changes):
    """(report, points of the curve, bytes of the policy) of a whole trial."""
    points = []
    plan = TrialPlan(get_task(TASK), SPARSE, settings(**changes), 1, steps, 1.0, folder)
    report = run_trial(plan, points.append, lambda steps: None)
    return report, points, (folder / "policy.safetensors").read_bytes()


def test_learner_telemetry_changes_no_bit_of_a_trial(tmp_path, monkeypatch):
    with_it, points, policy = run(tmp_path / "with")
    assert all(0 < p.telemetry["learning"]["advantage_share"] < 1 for p in points)
    assert with_it.telemetry["learning"] == points[-1].telemetry["learning"]
    monkeypatch.setattr(progress, "learning_telemetry", lambda *given: Learning())
    without, _, same = run(tmp_path / "without")
    assert policy == same and without.stochastic == with_it.stochastic


def test_policies_with_memory_leave_the_gradients_out(tmp_path):
    report, _, _ = run(tmp_path, 256, memory="lstm")
    learning = report.telemetry["learning"]
    assert "advantage_share" not in learning and learning["return_scale"] > 0


class LeansLeft(TeacherPolicy):
    """A teacher that makes one action less likely in every state."""

    size = 1

    def outputs(self, observations, rows, tables):
        return np.full((len(observations), 1), 2.0, dtype=np.float32)

    def logits(self, own, teacher_output):
        return torch.cat([own[:, :1] + teacher_output, own[:, 1:]], 1)


def test_gradients_of_a_guided_policy_use_the_teacher_it_acted_on(tmp_path):
    learner = Learner()
    learner.teacher_policy = LeansLeft()
    points = []
    plan = TrialPlan(get_task(TASK), SPARSE, settings(), 1, 256, 1.0, tmp_path, learners={"teacher": learner})
    run_trial(plan, points.append, lambda steps: None)
    learning = points[-1].telemetry["learning"]
    assert 0 < learning["advantage_share"] < 1 and learning["entropy_share"] > 0.9

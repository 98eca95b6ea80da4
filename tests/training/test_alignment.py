"""Gradient alignment: the policy gradient of one channel, products with its derivative, factors, resumed trials."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rewardsmith.errors import UsageError
from rewardsmith.programs.composition import Carry, Channel, compose
from rewardsmith.programs.reward import SPARSE, TrainingReward
from rewardsmith.programs.rollout import Rollout
from rewardsmith.spec import TrainingSpec, read_spec
from rewardsmith.spec.training import require_settings
from rewardsmith.tasks import get_task
from rewardsmith.training.alignment import Alignment, LastLayer, cosine, returns_to_go
from rewardsmith.training.learner import Experience
from rewardsmith.training.trial import TrialPlan, build, run_trial
from rewardsmith.training.vecenv import BatchVecEnv

TASK = "MiniGrid-DoorKey-5x5-v0"
SMALL: dict[str, Any] = {
    "num_envs": 4, "rollout_steps": 64, "batch_size": 64, "epochs": 1, "eval_episodes": 10, "final_episodes": 10,
}  # fmt: skip
CHANNELS = (Channel("env", "env"), Channel("good"), Channel("bad", "bonus", weight=0.5), Channel("phi", "potential"))


def test_returns_to_go_end_with_the_episode():
    rewards, done = np.array([[1.0], [2.0], [4.0]]), np.array([[False], [True], [False]])
    assert returns_to_go(rewards, done, 0.5).ravel().tolist() == [2.0, 2.0, 4.0]


@pytest.fixture
def model(tmp_path: Path):
    task = get_task(TASK)
    env = BatchVecEnv(task.batch(4, "train"), task, 64, 0, 1)
    yield build(TrialPlan(task, SPARSE, TrainingSpec(**SMALL), 0, 4096, 1.0, tmp_path), env)
    env.close()


def sample(count: int = 12) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Observations of random play, actions and advantages."""
    task, rng = get_task(TASK), np.random.default_rng(0)
    batch = task.batch(count, "train")
    batch.reset(0)
    for _ in range(5):
        batch.step(rng.integers(7, size=count))
    seen = np.zeros((count, task.observation_size), dtype=np.float32)
    batch.observe(seen)
    batch.close()
    return seen, rng.integers(7, size=count), rng.normal(size=count)


def by_hand(model: Any, seen: np.ndarray, actions: np.ndarray, advantages: np.ndarray, moved: np.ndarray) -> np.ndarray:
    """mean of A * ratio * grad log pi for the last layer, whose parameters are moved by `moved` from the old ones."""
    net = model.policy.action_net
    with torch.no_grad():
        latent = model.policy.mlp_extractor.forward_actor(torch.from_numpy(seen)).double().numpy()
    weight, bias = net.weight.detach().double().numpy(), net.bias.detach().double().numpy()

    def log_probs(w: np.ndarray, b: np.ndarray) -> np.ndarray:
        logits = latent @ w.T + b
        return logits - np.log(np.exp(logits).sum(1, keepdims=True))

    shift_w, shift_b = moved[: weight.size].reshape(weight.shape), moved[weight.size :]
    now, old = log_probs(weight + shift_w, bias + shift_b), log_probs(weight, bias)
    ratio = np.exp(now - old)[np.arange(len(actions)), actions]
    scaled = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
    slope = (np.eye(7)[actions] - np.exp(now)) * (scaled * ratio)[:, None] / len(actions)
    return np.concatenate([(slope.T @ latent).ravel(), slope.sum(0)])


def test_the_gradient_of_the_last_layer_is_that_of_a_softmax(model):
    seen, actions, advantages = sample()
    found = LastLayer(model, seen, actions).gradient(advantages).numpy()
    assert found == pytest.approx(by_hand(model, seen, actions, advantages, np.zeros(len(found))), abs=1e-5)


def test_the_series_adds_products_with_the_derivative_of_the_gradient(model):
    seen, actions, advantages = sample()
    layer = LastLayer(model, seen, actions)
    vector = layer.gradient(np.roll(advantages, 1))
    assert torch.equal(layer.inverse(vector, advantages, terms=1), vector)
    direction, small = vector.double().numpy(), 1e-4
    ahead, behind = (by_hand(model, seen, actions, advantages, sign * small * direction) for sign in (1, -1))
    curved = (ahead - behind) / (2 * small)  # H v, by finite differences
    eta = 0.5 * np.linalg.norm(direction) / np.linalg.norm(curved)
    assert layer.inverse(vector, advantages, terms=2).numpy() == pytest.approx(2 * direction + eta * curved, abs=1e-4)


def test_the_cosine_with_a_zero_gradient_is_0():
    assert cosine(torch.zeros(3), torch.ones(3)) == 0.0
    assert cosine(torch.tensor([1.0, 0.0]), torch.tensor([1.0, 1.0])) == pytest.approx(0.5**0.5)


def observed(wins: int, steps: int = 0) -> tuple[Experience, dict[str, np.ndarray]]:
    """A rollout of 8 steps with `wins` successes, and channels that pay as the environment does, or its negative."""
    task, rng = get_task(TASK), np.random.default_rng(1)
    run = Rollout.empty(task, 8, 4)
    run.actions[:] = rng.integers(7, size=(8, 4))
    run.success.ravel()[:wins] = run.terminated.ravel()[:wins] = True
    seen = rng.random((8, 4, task.observation_size)).astype(np.float32).round()
    paid = rng.random((8, 4))
    return Experience(run, seen, seen, {}, steps), {"env": paid, "good": 3 * paid, "bad": -paid, "phi": paid}


def aligned(align: str = "gradient") -> Alignment:
    return Alignment(get_task(TASK), TrainingSpec(**SMALL, align=align), CHANNELS, 10_000, {})


@pytest.mark.parametrize("align", ["gradient", "implicit"])
def test_a_channel_gains_weight_along_the_environment_only(model, align):
    made = aligned(align)
    seen, parts = observed(wins=4)
    for _ in range(6):
        made.composed(seen, parts, model)
    if align == "gradient":
        # Both rollouts are the same here, so the cosines are 1 and -1: 2 sigmoid(0.1) and 2 sigmoid(-0.1).
        assert made.factors == pytest.approx({"good": 1.04996, "bad": 0.95004}, abs=1e-4)
    assert made.factors["good"] > 1.0 > made.factors["bad"] and "phi" not in made.factors
    assert made.telemetry()["cosines"]["good"] > 0


def test_factors_stay_before_20_successes_and_late_in_the_trial(model):
    for wins, steps in ((3, 0), (32, 8_000)):
        made = aligned()
        seen, parts = observed(wins, steps)
        for _ in range(6):
            made.composed(seen, parts, model)
        assert made.factors == {"good": 1.0, "bad": 1.0}


def test_factors_stay_within_their_limits():
    made = aligned()
    for _ in range(100):
        made._waiting = {"good": torch.ones(2), "bad": -torch.ones(2)}
        made._move(torch.ones(2))
    assert made.factors["bad"] == 0.1 and 1.9 < made.factors["good"] <= 2.0


def test_a_factor_multiplies_the_weight_before_the_cap():
    carry = Carry(factors={"dense": 0.5})
    channel = Channel("dense", weight=2.0, cap=2.5)
    raw, never = np.array([[1.0], [1.0], [1.0]]), np.zeros((3, 1), dtype=bool)
    made = compose((channel,), {"dense": raw}, np.array([[True], [False], [False]]), never, 0.99, carry)
    assert made.total.ravel().tolist() == [1.0, 1.0, 0.5]


def test_alignment_of_other_algorithms_and_policies_with_memory_is_refused():
    with pytest.raises(UsageError, match="DQN"):
        require_settings("dqn", {"align": "gradient"})
    with pytest.raises(UsageError, match="steps one by one"):
        read_spec({"task": TASK, "training": {"align": "gradient", "memory": "lstm"}})
    plain = read_spec({"task": TASK})
    assert plain.fingerprint() == read_spec({"task": TASK, "training": {"align": "none"}}).fingerprint()
    assert plain.fingerprint() != read_spec({"task": TASK, "training": {"align": "gradient"}}).fingerprint()


class Killed(Exception):
    """Simulates kill -9."""


REWARD = 'def reward(prev, action, state, memory):\n    return 0.1 if state.event == "moved" else 0.0\n'


def trained(folder: Path, align: str, kill_at: int | None = None):
    """A trial of 14 rollouts on a room that random play solves, so that alignment begins."""
    task, training = get_task("MiniGrid-Empty-5x5-v0"), TrainingSpec(**{**SMALL, "num_envs": 16}, align=align)
    reward = TrainingReward(REWARD, ("reward",), (Channel("env", "env"), Channel("reward")))

    def beat(done: int) -> None:
        if kill_at is not None and done >= kill_at * 1024:
            raise Killed

    return run_trial(TrialPlan(task, reward, training, 1, 30 * 1024, 0.5, folder, curve_points=3), lambda _: None, beat)


@pytest.mark.parametrize("align", ["gradient", "implicit"])
def test_a_killed_trial_with_alignment_ends_with_the_same_factors(tmp_path, align):
    whole = trained(tmp_path / "whole", align)
    factors = whole.telemetry["methods"]["align"]["factors"]
    assert factors["reward"] != 1.0 and whole.telemetry["channels"]["reward"]["factor"] == factors["reward"]
    with pytest.raises(Killed):
        trained(tmp_path / "killed", align, kill_at=12)
    resumed = trained(tmp_path / "killed", align)
    assert resumed.telemetry == whole.telemetry and resumed.stochastic == whole.stochastic

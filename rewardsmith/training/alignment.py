"""Gradient alignment: learn from the environment's reward how much each other channel should weigh.

After BARFI (Gupta et al., NeurIPS 2023, arXiv 2310.19007), which chooses the weights phi of auxiliary rewards. The
policy theta(phi) trained on them should have the largest return J of the environment's own reward:

    dJ/dphi_k = -(dJ/dtheta) H^-1 A_k,   H = dDelta/dtheta,   A_k = dDelta/dphi_k

Delta is the policy gradient on the weighted sum of rewards. Here theta are the weights of the policy's last layer, and
A_k is the policy gradient g_k on channel k alone. H^-1 is approximated by a truncated Neumann series,
-H^-1 = eta * sum over i of (I + eta H)^i. The mode `implicit` takes TERMS terms, and `gradient` the first one alone:

    u_k <- u_k + 0.1 * cos(g_env, v_k),   w_k = w0_k * 2 sigmoid(u_k), within [0.1, 2] of w0_k

g_env comes from another rollout than v_k, because two gradients of one rollout share their noise.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from torch import Tensor

from rewardsmith.programs.composition import Channel
from rewardsmith.spec import TrainingSpec
from rewardsmith.tasks.base import Task
from rewardsmith.training.learner import Experience, Learner

EVERY = 5  # rollouts from one change of the weights to the next
RATE = 0.1
LEAST, MOST = 0.1, 2.0
FEWEST_SUCCESSES = 20
LAST_SHARE = 0.8  # of a trial, after which the weights stay
TERMS = 6  # of the Neumann series
_SMALL = 1e-8


def returns_to_go(rewards: NDArray[np.float64], done: NDArray[np.bool_], gamma: float) -> NDArray[np.float64]:
    """Return the discounted sum of the rewards from each step to the end of its episode or of the rollout, [T, N].

    Args:
        rewards: float64 [T, N].
        done: bool [T, N], whether the episode ends with the step.
        gamma: The discount factor.
    """
    found, rest = np.empty_like(rewards), np.zeros(rewards.shape[1])
    for t in reversed(range(len(rewards))):
        rest = found[t] = rewards[t] + gamma * np.where(done[t], 0.0, rest)
    return found


class LastLayer:
    """The policy's last layer on the steps of one rollout: policy gradients, and products with their derivative."""

    def __init__(self, model: OnPolicyAlgorithm, observations: Any, actions: NDArray[Any]) -> None:
        """Evaluate the policy.

        Args:
            model: The algorithm.
            observations: Observations of B steps, as its policy takes them.
            actions: Actions [B] or [B, A].
        """
        policy: Any = model.policy
        with torch.no_grad():
            features = policy.extract_features(policy.obs_to_tensor(observations)[0])
            features = features[0] if isinstance(features, tuple) else features
            latent = policy.mlp_extractor.forward_actor(features)
        self._parameters = [p for p in policy.action_net.parameters() if p.requires_grad]
        chosen = torch.as_tensor(actions, dtype=torch.float32, device=latent.device)
        self._log_probs: Tensor = policy._get_action_dist_from_latent(latent).log_prob(chosen)

    def gradient(self, advantages: NDArray[np.float64]) -> Tensor:
        """Return the policy gradient of advantages [B], as one vector; they are standardised first."""
        return self._flat(torch.autograd.grad(self._objective(advantages), self._parameters, retain_graph=True))

    def inverse(self, vector: Tensor, advantages: NDArray[np.float64], terms: int = TERMS) -> Tensor:
        """Return sum over i < terms of (I + eta H)^i v, which approximates a multiple of -H^-1 v.

        Args:
            vector: v.
            advantages: Advantages [B] of the objective whose second derivative is H.
            terms: Terms of the series; 1 returns v.
        """
        slope = torch.autograd.grad(self._objective(advantages), self._parameters, create_graph=True)
        flat, eta, total, power = self._flat(slope), 0.0, vector.clone(), vector
        for _ in range(terms - 1):
            curved = self._flat(torch.autograd.grad(flat @ power, self._parameters, retain_graph=True))
            # Half of the inverse of the curvature along v, so that the series does not diverge along it.
            eta = eta or 0.5 * float(power.norm() / (curved.norm() + _SMALL))
            power = power + eta * curved
            total = total + power
        return total

    def _objective(self, advantages: NDArray[np.float64]) -> Tensor:
        spread = advantages.std() + _SMALL
        scaled = torch.as_tensor((advantages - advantages.mean()) / spread, dtype=torch.float32)
        # At ratio 1: its derivatives are those of the expected return.
        ratio = torch.exp(self._log_probs - self._log_probs.detach())
        return (scaled.to(ratio.device) * ratio).mean()

    def _flat(self, parts: Any) -> Tensor:
        return torch.cat([part.reshape(-1) for part in parts])


def cosine(first: Tensor, second: Tensor) -> float:
    """Return the cosine of two vectors in [-1, 1]; 0 if one of them is 0."""
    # Sums over a vector read from a checkpoint, which may lie elsewhere in a cache line, are rounded otherwise. Copies
    # are aligned, and a resumed trial must equal an uninterrupted one bit for bit.
    one, other = first.double(), second.double()
    return float(one @ other / (one.norm() * other.norm() + _SMALL))


def movable(channels: tuple[Channel, ...]) -> list[str]:
    """Return the names of the channels whose weights may be moved: of programs and bonuses."""
    return [c.name for c in channels if c.kind in ("program", "bonus") and c.weight]


class Alignment(Learner):
    """Moves the factors of all channels except the environment's and potentials, which keep their weights.

    Args:
        task: The task.
        training: The settings of the trial.
        channels: The channels of its reward.
        steps: Environment steps of the full trial.
        factors: Receives the factor of each channel, which the composition multiplies its weight with.
    """

    def __init__(
        self,
        task: Task,
        training: TrainingSpec,
        channels: tuple[Channel, ...],
        steps: int,
        factors: dict[str, float],
    ) -> None:
        self._task, self._gamma, self._implicit = task, training.gamma, training.align == "implicit"
        self._env = next((c.name for c in channels if c.kind == "env" and c.weight), None)
        self._names = movable(channels)
        self._last_step = int(LAST_SHARE * steps)
        self._moved = dict.fromkeys(self._names, 0.0)
        self._cosines: dict[str, float] = {}
        self._waiting: dict[str, Tensor] = {}
        self._rollouts = self._successes = 0
        self.factors = factors
        self.factors.update(dict.fromkeys(self._names, 1.0))

    def composed(self, seen: Experience, parts: dict[str, NDArray[np.float64]], model: OnPolicyAlgorithm) -> None:
        """Take the gradients of every fifth rollout, and move the factors by those of the next one."""
        run = seen.rollout
        done = run.terminated | run.truncated
        self._successes += int((done & run.success).sum())
        self._rollouts += 1
        moves = self._successes >= FEWEST_SUCCESSES and seen.steps < self._last_step
        if not moves or self._env is None or not self._names or self._rollouts % EVERY > 1:
            return
        layer = LastLayer(model, self._task.observation.structured(_steps(seen.observations)), _steps(run.actions))
        advantages = {name: _steps(returns_to_go(parts[name], done, self._gamma)) for name in (self._env, *self._names)}
        if self._rollouts % EVERY == 0:
            total = np.sum(list(advantages.values()), axis=0)
            for name in self._names:
                vector = layer.gradient(advantages[name])
                self._waiting[name] = layer.inverse(vector, total) if self._implicit else vector
        elif self._waiting:
            self._move(layer.gradient(advantages[self._env]))

    def _move(self, target: Tensor) -> None:
        for name, vector in self._waiting.items():
            self._cosines[name] = cosine(target, vector)
            self._moved[name] += RATE * self._cosines[name]
            self.factors[name] = min(max(2.0 / (1.0 + math.exp(-self._moved[name])), LEAST), MOST)
        self._waiting = {}

    def state(self) -> Any:
        """The factors' logits, counters, and the gradients that wait for the next rollout."""
        return {
            "moved": dict(self._moved),
            "cosines": dict(self._cosines),
            "waiting": dict(self._waiting),
            "rollouts": self._rollouts,
            "successes": self._successes,
            "factors": dict(self.factors),
        }

    def load(self, state: Any) -> None:
        """Restore the value that `state` returned."""
        self._moved, self._cosines, self._waiting = state["moved"], state["cosines"], state["waiting"]
        self._rollouts, self._successes = state["rollouts"], state["successes"]
        self.factors.update(state["factors"])

    def telemetry(self) -> dict[str, Any]:
        """The present factor of each channel, and the cosine by which it was moved last."""
        return {"factors": dict(self.factors), "cosines": dict(self._cosines), "successes": self._successes}


def _steps(values: NDArray[Any]) -> NDArray[Any]:
    """Values [T, N, ...] as [T * N, ...]."""
    return values.reshape(-1, *values.shape[2:])

"""Measure what drives the policy: the gradient of PPO's policy loss compared with that of the entropy bonus."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3 import PPO
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.utils import explained_variance

from rewardsmith.telemetry import Learning
from rewardsmith.training.buffers import ShapedRolloutBuffer
from rewardsmith.training.scale import ReturnScale

_SPREAD = 1e-8  # added by SB3 to the standard deviation by which it divides advantages


def learning_telemetry(model: OnPolicyAlgorithm, return_rms: float, scale: ReturnScale | None = None) -> Learning:
    """Describe the update that follows a full rollout buffer.

    Call it when a rollout is complete and before SB3 trains on it, because the next rollout empties the buffer. Nothing
    in the trial changes: parameters, their `grad` and all random generators stay as they are.

    Args:
        model: The algorithm with a full rollout buffer.
        return_rms: Root mean square of discounted returns since the last point of the curve, before scaling.
        scale: The running scale that rewards are divided by; None for none.

    Returns:
        These fields of Learning:

        - entropy_coefficient: the coefficient of the entropy bonus in PPO's loss.
        - return_scale: `return_rms`.
        - explained_variance: of the critic, at most 1; None if all returns are equal.
        - signal: `return_rms` in the unit of the advantages in PPO's policy loss: after scaling, and divided by the
          advantages' standard deviation if these are normalised.
        - entropy: mean entropy of the policy, in nats.
        - entropy_share: the same as a fraction of the largest possible entropy, in [0, 1].
        - advantage_gradient: L2 norm of the gradient of PPO's policy loss on one minibatch.
        - entropy_gradient: L2 norm of the gradient of the entropy bonus, its coefficient included.
        - advantage_share: advantage_gradient / (advantage_gradient + entropy_gradient), in [0, 1]; None if both are 0.

        The last five are omitted for policies with memory, whose minibatches are whole sequences.
    """
    buffer = model.rollout_buffer
    unit = 1.0 if scale is None else math.sqrt(scale.state()["mean_square"]) or 1.0
    spread = float(buffer.advantages.std()) + _SPREAD if getattr(model, "normalize_advantage", False) else 1.0
    found = Learning.of(
        entropy_coefficient=float(model.ent_coef),
        return_scale=return_rms,
        explained_variance=_known(explained_variance(buffer.values.flatten(), buffer.returns.flatten())),
        signal=return_rms / unit / spread,
    )
    if isinstance(buffer, ShapedRolloutBuffer) and isinstance(model, PPO):
        return _with_gradients(found, model, buffer)
    return found


def _known(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _with_gradients(found: Learning, model: PPO, buffer: ShapedRolloutBuffer) -> Learning:
    steps, envs = buffer.advantages.shape
    size = min(model.batch_size, steps * envs)
    # Evenly spaced steps need no random generator. SB3 flattens [T, N] environment by environment.
    indices = np.arange(size, dtype=np.int64) * (steps * envs) // size
    if buffer.on_minibatch is not None:
        buffer.on_minibatch(indices)

    def of(array: NDArray[Any]) -> torch.Tensor:
        return torch.as_tensor(array[indices % steps, indices // steps], device=model.device)

    actions = of(buffer.actions)
    # As in SB3's PPO: the log-probability of ints as MultiBinary stores them is not defined in torch.
    actions = actions.long().flatten() if isinstance(model.action_space, spaces.Discrete) else actions.float()
    _, log_probs, entropy = model.policy.evaluate_actions(of(buffer.observations), actions)
    if entropy is None:
        return found
    advantages = of(buffer.advantages)
    if model.normalize_advantage and size > 1:
        advantages = (advantages - advantages.mean()) / (advantages.std() + _SPREAD)
    ratio = torch.exp(log_probs - of(buffer.log_probs))
    assert callable(model.clip_range)
    clip = model.clip_range(1.0)
    surrogate = torch.min(advantages * ratio, advantages * torch.clamp(ratio, 1 - clip, 1 + clip)).mean()
    by_advantage = _gradient_norm(surrogate, model)
    by_entropy = _gradient_norm(model.ent_coef * entropy.mean(), model)
    both, nats = by_advantage + by_entropy, float(entropy.mean().detach())
    largest = _largest_entropy(model.action_space)
    return found.updated(
        entropy=nats,
        entropy_share=nats / largest if largest > 0.0 else None,
        advantage_gradient=by_advantage,
        entropy_gradient=by_entropy,
        advantage_share=by_advantage / both if both > 0.0 else None,
    )


def _largest_entropy(space: spaces.Space) -> float:
    """The entropy of uniform play, in nats; 0 for continuous actions, whose entropy has no largest value."""
    if isinstance(space, spaces.MultiDiscrete):
        return float(np.log(space.nvec).sum())
    if isinstance(space, spaces.MultiBinary):
        return math.log(2) * int(np.prod(space.shape))
    return math.log(int(getattr(space, "n", 1)))


def _gradient_norm(objective: torch.Tensor, model: PPO) -> float:
    """L2 norm of the gradient over all parameters that the objective depends on; their `grad` is not changed."""
    parameters = [p for p in model.policy.parameters() if p.requires_grad]
    found = torch.autograd.grad(objective, parameters, retain_graph=True, allow_unused=True)
    norms = [torch.linalg.vector_norm(g) for g in found if g is not None]
    return float(torch.linalg.vector_norm(torch.stack(norms))) if norms else 0.0

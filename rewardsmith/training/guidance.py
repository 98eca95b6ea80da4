"""Use a teacher policy inside SB3's policy: the same guided logits draw actions and enter PPO's loss."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.policies import ActorCriticPolicy
from torch.nn import functional

from rewardsmith.training.buffers import ShapedRolloutBuffer
from rewardsmith.training.learner import TeacherPolicy
from rewardsmith.training.network import draw_actions, of_actions
from rewardsmith.training.vecenv import BatchVecEnv


class GuidedPolicy(ActorCriticPolicy):
    """A mixin that `guided` puts before a policy class; `guidance` changes its logits and must be set before use."""

    guidance: Guidance | None = None

    def forward(
        self, obs: torch.Tensor, deterministic: bool = False
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return actions [B], values [B, 1] and log-probabilities [B] of the guided distribution."""
        assert self.guidance is not None
        actor, critic = self.mlp_extractor(self.extract_features(obs))
        logits = self.guidance.at_collection(obs, self.action_net(actor))
        actions, log_probs = draw_actions(logits, deterministic)
        return actions, self.value_net(critic), log_probs

    def evaluate_actions(
        self, obs: Any, actions: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
        """Return values [B, 1], log-probabilities [B] of the guided distribution, and the policy's own entropy [B]."""
        assert self.guidance is not None
        actor, critic = self.mlp_extractor(self.extract_features(obs))
        own = self.action_net(actor)
        log_probs = functional.log_softmax(self.guidance.in_minibatch(own), 1)
        alone = functional.log_softmax(own, 1)
        entropy = -(alone.exp() * alone).sum(1)
        return self.value_net(critic), of_actions(log_probs, actions), entropy


def guided(policy: type[ActorCriticPolicy]) -> type[ActorCriticPolicy]:
    """Return a subclass of `policy` with guided logits."""
    made: Any = type(f"Guided{policy.__name__}", (GuidedPolicy, policy), {})
    return made


class Guidance:
    """Queries the teacher at each step, stores its output [T, N, K], and looks it up for PPO's minibatches."""

    def __init__(self, teacher_policy: TeacherPolicy, env: BatchVecEnv, buffer: ShapedRolloutBuffer) -> None:
        self._teacher_policy, self._env = teacher_policy, env
        steps, envs = env.rollout.actions.shape
        self._teacher_output = np.zeros((steps, envs, teacher_policy.size), dtype=np.float32)
        self._chosen: NDArray[np.int64] = np.zeros(0, dtype=np.int64)
        buffer.on_minibatch = self._choose

    def _choose(self, indices: NDArray[np.int64]) -> None:
        self._chosen = indices

    def at_collection(self, observations: torch.Tensor, own: torch.Tensor) -> torch.Tensor:
        """Return the guided logits [N, A] of the next step, and store the teacher's output."""
        env = self._env
        teacher_output = self._teacher_policy.outputs(observations.cpu().numpy(), env.rows, env.batch.tables)
        self._teacher_output[env.recorded] = teacher_output
        return self._teacher_policy.logits(own, torch.as_tensor(self._teacher_output[env.recorded], device=own.device))

    def in_minibatch(self, own: torch.Tensor) -> torch.Tensor:
        """Return the guided logits [B, A] of the minibatch that the buffer returned last."""
        # SB3 flattens [T, N] environment by environment.
        steps = self._teacher_output.shape[0]
        teacher_output = self._teacher_output[self._chosen % steps, self._chosen // steps]
        return self._teacher_policy.logits(own, torch.as_tensor(teacher_output, device=own.device))


def attach(teacher_policy: TeacherPolicy, policy: Any, env: BatchVecEnv, buffer: Any) -> None:
    """Connect `teacher_policy` to a policy whose class `guided` has made."""
    policy.guidance = Guidance(teacher_policy, env, buffer)

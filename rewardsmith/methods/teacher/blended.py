"""Evaluates the blended policy, language model included, on layouts outside of training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rewardsmith.methods.teacher.prompts import StateDescriber
from rewardsmith.methods.teacher.uncertainty import CachedOpinions, Gate
from rewardsmith.tasks.base import BatchEnv, Task
from rewardsmith.training.evaluation import Evaluation


@dataclass(frozen=True)
class Adviser:
    """The language model beside a policy that plays.

    Attributes:
        describer: A new describer of the batch's size.
        opinions: Cached opinions; they may come from training.
        gate: How h is computed.
    """

    describer: StateDescriber
    opinions: CachedOpinions
    gate: Gate

    def outputs(
        self, rows: NDArray[np.int32], observations: NDArray[np.float32], starts: NDArray[np.bool_]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return P_LLM [N, A] and h [N, 1] of the states with rows [N, W] and observations [N, D]."""
        opinion = self.opinions.of(self.describer, self.describer.look(rows, observations, starts))
        return opinion.probs, opinion.gate(self.gate)[:, None]


def play_blended(policy: Any, task: Task, batch: BatchEnv, adviser: Adviser, episodes: int, seed: int) -> Evaluation:
    """Play `episodes` episodes by P_final = (1 - h) P_LLM + h P_agent, divided equally among the environments."""
    rng = np.random.default_rng([seed, 3])
    envs = batch.num_envs
    left = np.full(envs, episodes // envs)
    left[: episodes % envs] += 1
    batch.reset(seed)
    observations = np.zeros((envs, batch.observation_size), np.float32)
    rows = np.zeros((envs, task.schema.width), np.int32)
    starts = np.ones(envs, dtype=bool)
    successes = length = 0
    total = 0.0
    while (left > 0).any():
        batch.observe(observations)
        batch.state_rows(rows)
        probs, h = adviser.outputs(rows, observations, starts)
        shares = (1 - h) * probs + h * _own(policy, observations)
        actions = (np.log(np.maximum(shares, 1e-12)) + rng.gumbel(size=shares.shape)).argmax(axis=1)
        counted = left > 0
        batch.step(actions)
        total += float(batch.rewards[counted].sum())
        length += int(counted.sum())
        starts = batch.terminated | batch.truncated
        successes += int((starts & counted & batch.success).sum())
        left -= starts & counted
        batch.restart(starts)
    return Evaluation(successes, episodes, length / episodes, total / episodes)


def _own(policy: Any, observations: NDArray[np.float32]) -> NDArray[np.float32]:
    """P_agent [N, A]."""
    with torch.no_grad():
        seen = torch.as_tensor(observations, device=policy.device)
        latent = policy.mlp_extractor.forward_actor(policy.pi_features_extractor(seen))
        return torch.softmax(policy.action_net(latent), 1).cpu().numpy()

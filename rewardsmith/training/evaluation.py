"""Success of a policy on the unshaped environment: fixed numbers of episodes, unseen layouts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.policies import ActorCriticPolicy

from rewardsmith.tasks.base import BatchEnv, Task

_AT_ONCE = 256


@dataclass(frozen=True)
class Evaluation:
    """`successes` of `episodes` by the task's own test; lengths in steps; the environment's mean return."""

    successes: int
    episodes: int
    mean_length: float
    mean_return: float

    @property
    def success(self) -> float:
        """The share of episodes that succeeded, in [0, 1]."""
        return self.successes / self.episodes


def evaluate(
    policy: ActorCriticPolicy, task: Task, pool: str, episodes: int, seed: int, *, greedy: bool = False
) -> Evaluation:
    """Play `episodes` episodes on the layouts of `pool`, the same for the same seed.

    Every environment plays a fixed number of episodes. Counting whichever episodes end first instead reads
    high, because successful episodes are the short ones.
    """
    envs = min(_AT_ONCE, episodes)
    quota = np.full(envs, episodes // envs)
    quota[: episodes % envs] += 1
    batch = task.batch(envs, pool)
    try:
        return _play(policy, batch, quota, seed, greedy)
    finally:
        batch.close()


def _play(policy: ActorCriticPolicy, batch: BatchEnv, quota: NDArray[np.int64], seed: int, greedy: bool) -> Evaluation:
    rng = np.random.default_rng([seed, 1 + int(greedy)])
    batch.reset(seed)
    left = quota.copy()
    observations = np.zeros((batch.num_envs, batch.observation_size), dtype=np.float32)
    batch.observe(observations)
    successes, total_return, total_length = 0, 0.0, 0
    actions = np.zeros(batch.num_envs, dtype=np.int64)
    while (left > 0).any():
        counted = left > 0
        # Few episodes last to the step limit; the network is asked about those still being played only.
        actions[counted] = choose_actions(policy, observations[counted], rng, greedy=greedy)
        batch.step(actions)
        total_return += float(batch.rewards[counted].sum())
        total_length += int(counted.sum())
        done = batch.terminated | batch.truncated
        if done.any():
            successes += int((done & counted & batch.success).sum())
            left -= done & counted
            batch.restart(done)
        batch.observe(observations)
    episodes = int(quota.sum())
    return Evaluation(successes, episodes, total_length / episodes, total_return / episodes)


def choose_actions(
    policy: ActorCriticPolicy, observations: NDArray[np.float32], rng: np.random.Generator, *, greedy: bool
) -> NDArray[np.int64]:
    """Actions [N] for observations [N, D], drawn with `rng` so that torch's generator is left alone."""
    with torch.no_grad():
        features = policy.obs_to_tensor(observations)[0]
        distribution = policy.get_distribution(features).distribution  # type: ignore[arg-type]
        logits = distribution.logits.cpu().numpy()  # type: ignore[union-attr]
    if not greedy:
        logits = logits + rng.gumbel(size=logits.shape)
    return logits.argmax(axis=1)

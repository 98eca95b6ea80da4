"""Behaviour cloning, then PPO: what ULPS is compared with, on the same pairs of states and optimal actions.

The policy is fitted by cross-entropy to the planner's actions before it is trained, from its own observations, with no
language model between. What partial views cannot tell apart, it averages.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np
from pydantic import Field

from rewardsmith.methods.base import Method, Options, Setting
from rewardsmith.methods.teacher.searchable import searchable
from rewardsmith.tasks.base import Task
from rewardsmith.training.learner import Experience, Learner

if TYPE_CHECKING:  # a method's module is read without loading torch
    from stable_baselines3 import PPO
    from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm


class CloneOptions(Options):
    """As many pairs as ULPS fits its language model on."""

    pairs: int = Field(default=21_500, ge=200)
    epochs: int = Field(default=20, ge=1)
    pairs_seed: int = Field(default=0, ge=0)


class CloneLearner(Learner):
    """Clones once, after the first rollout: a learner meets the model no earlier, and one rollout teaches nothing."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._cloned = False
        self._told: dict[str, Any] = {}

    def learn(self, seen: Experience, model: OnPolicyAlgorithm) -> None:
        """Fit pi to the planner's actions."""
        if self._cloned:
            return
        from rewardsmith.methods.teacher.oracle import SPLITS, collect, split_layouts

        options: CloneOptions = self._setting.options
        task: Any = self._setting.task
        episodes = collect(task, split_layouts(task)["fit"], options.pairs, len(SPLITS) * options.pairs_seed)
        known = episodes.optimal.any(axis=1)
        observations, optimal = episodes.observations[known], episodes.optimal[known]
        accuracy = _fit(cast("PPO", model), observations, optimal, options.epochs)
        self._told = {"pairs": len(observations), "accuracy": accuracy}
        self._cloned = True

    def state(self) -> dict[str, Any]:
        """Whether it has been done, and what it came to."""
        return {"cloned": self._cloned, "told": self._told}

    def load(self, state: Any) -> None:
        """Once is enough."""
        self._cloned, self._told = state["cloned"], state["told"]

    def telemetry(self) -> dict[str, Any]:
        """How many pairs, and the share of them whose most probable action was optimal when they had been learned."""
        return dict(self._told)


def _fit(model: PPO, observations: np.ndarray, optimal: np.ndarray, epochs: int) -> float:
    """-log of the probability that pi gives to the set of optimal actions, by the trial's own optimizer."""
    import torch

    from rewardsmith.methods.teacher.imitation import descend, shuffled_log_probs

    policy: Any = model.policy
    states = torch.from_numpy(observations).to(policy.device)
    wanted = torch.from_numpy(optimal).to(policy.device)
    right = 0
    for _ in range(epochs):
        right = 0
        for chosen, log_probs in shuffled_log_probs(policy, states, model.batch_size):
            loss = -torch.logsumexp(log_probs.masked_fill(~wanted[chosen], -torch.inf), 1).mean()
            descend(policy, loss)
            right += int(wanted[chosen].gather(1, log_probs.argmax(1, keepdim=True)).sum())
    return right / len(states)


class Clone(Method):
    """No program is asked for; the reward is the environment's own."""

    name = "clone"
    summary = "behaviour cloning of the planner's actions, then PPO: a baseline for ULPS"
    recurrent = False
    Options = CloneOptions

    def program(self, task: Task, options: Any) -> str:
        """None. Raises UsageError for a task that the planner cannot search."""
        searchable(task)
        return ""

    def learner(self, setting: Setting) -> Learner:
        """The cloning."""
        return CloneLearner(setting)

    def oracle_informed(self, options: Any, modelled: bool) -> bool:
        """Always: the planner names the actions."""
        return True


METHOD = Clone()

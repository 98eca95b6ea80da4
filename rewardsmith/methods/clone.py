"""Behaviour cloning, then PPO: the baseline for ULPS, on the same pairs of states and optimal actions.

Before PPO the policy is fitted by cross-entropy to the planner's actions, from its own observations and without a
language model. States with the same partial view share one action distribution.
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
    """Options of behaviour cloning; `pairs` is that of ULPS by default."""

    pairs: int = Field(default=21_500, ge=200, description="(state, optimal actions) pairs; as many as ULPS uses")
    epochs: int = Field(default=20, ge=1, description="passes over the pairs")
    pairs_seed: int = Field(default=0, ge=0, description="seed of the planner's trajectories")


class CloneLearner(Learner):
    """Clones once, after the first rollout.

    A learner receives the policy no earlier, and a single rollout changes it little.
    """

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._cloned = False
        self._told: dict[str, Any] = {}

    def learn(self, seen: Experience, model: OnPolicyAlgorithm) -> None:
        """Fit pi to the planner's actions, at the first call only."""
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
        """Whether cloning has been done, and its result."""
        return {"cloned": self._cloned, "told": self._told}

    def load(self, state: Any) -> None:
        """Restore the state, so that a resumed trial does not clone again."""
        self._cloned, self._told = state["cloned"], state["told"]

    def telemetry(self) -> dict[str, Any]:
        """The number of pairs, and the proportion whose most probable action was optimal after cloning."""
        return dict(self._told)


def _fit(model: PPO, observations: np.ndarray, optimal: np.ndarray, epochs: int) -> float:
    """Minimise -log pi(set of optimal actions) with the trial's optimizer; return the final accuracy in [0, 1]."""
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
    """Needs no designer; the reward is the environment's own."""

    name = "clone"
    summary = "behaviour cloning of the planner's actions, then PPO (baseline for ULPS)"
    page = "ulps"
    recurrent = False
    algorithms = frozenset({"ppo"})  # their updates use PPO's minibatches
    Options = CloneOptions

    def program(self, task: Task, options: Any) -> str:
        """Return "". Raises UsageError if the planner cannot search the task."""
        searchable(task)
        return ""

    def learner(self, setting: Setting) -> Learner:
        """Return the learner that clones the planner."""
        return CloneLearner(setting)

    def oracle_informed(self, options: Any, modelled: bool) -> bool:
        """Always true: the planner provides the actions."""
        return True


METHOD = Clone()

"""Learner: what a method does inside a trial, besides having its programs scored.

Order of one rollout: SB3 collects it (a Guide may change each action's distribution), `rewards` fills the method's
channels, advantages are computed, PPO updates, `learn` follows; then, at a checkpoint, `state` is saved. A learner
draws random numbers only from generators whose state it saves, or from torch's and numpy's global ones, which the
trial saves: then a resumed trial equals an uninterrupted one bit for bit.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rewardsmith.programs.rollout import Rollout
from rewardsmith.tasks.base import Tables

if TYPE_CHECKING:  # a method's module is read without loading torch
    import torch
    from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm


@dataclass(frozen=True)
class Experience:
    """One rollout as a learner sees it; arrays are valid until the next rollout begins.

    rollout: symbolic states, actions, raw rewards, ends of episodes, which only training sees. observations,
    following: float32 [T, N, D], what the policy saw before each step, and what it sees after it, before any reset.
    steps: environment steps of the trial before this rollout.
    """

    rollout: Rollout
    observations: NDArray[np.float32]
    following: NDArray[np.float32]
    tables: Tables
    steps: int


class Guide(ABC):
    """What a method does to the policy: it changes the logits that actions are drawn from and PPO's loss is taken of.

    The advice of a step is stored when the step is taken and stays constant over PPO's epochs, so that old and new
    log-probabilities are those of one and the same distribution. Entropy is that of the policy itself, and so is
    every evaluation. The critic estimates the value of the guided behaviour.
    """

    size: int
    """K: numbers of advice per step."""

    @abstractmethod
    def advise(self, observations: NDArray[np.float32], rows: NDArray[Any], tables: Tables) -> NDArray[np.float32]:
        """Advice [N, K] on observations [N, D] about to be acted on; `rows` [N, W] are their symbolic states."""

    @abstractmethod
    def logits(self, own: torch.Tensor, advice: torch.Tensor) -> torch.Tensor:
        """Logits [B, A] to act by, of the policy's own [B, A] (with gradient) and stored advice [B, K]."""


class Learner:
    """Hooks of one method in one trial. Each does nothing unless a subclass says otherwise."""

    guide: Guide | None = None

    def rewards(self, seen: Experience) -> dict[str, NDArray[Any]]:
        """Raw values, float64 [T, N], of each channel of kind "bonus" that this learner fills, by channel name.

        Where a channel's gate is "count", "NAME:keys", int64 [T, N], holds what is counted. Called once the rollout
        is complete, before advantages are computed.
        """
        return {}

    def learn(self, seen: Experience, model: OnPolicyAlgorithm) -> None:
        """Learn from the rollout; called after PPO has updated on it."""

    def state(self) -> Any:
        """What a checkpoint keeps: nested dicts and lists of tensors, arrays, numbers, strings and None.

        Every checkpoint cuts all episodes, so nothing that lives for one episode belongs here.
        """
        return None

    def load(self, state: Any) -> None:
        """Take back what `state` returned."""

    def telemetry(self) -> dict[str, Any]:
        """Plain data for the curve and the analyzer: statistics since the last call."""
        return {}

    def close(self) -> None:
        """End threads and processes."""


class Learners:
    """The learners of one trial, by the names of their methods, called in order."""

    def __init__(self, named: dict[str, Learner]) -> None:
        self._named = named
        self._seen: Experience | None = None

    def __bool__(self) -> bool:
        return bool(self._named)

    @property
    def guide(self) -> Guide | None:
        """The one guide among them. Raises ValueError for two: whose distribution would PPO's ratio be taken of?"""
        guides = [learner.guide for learner in self._named.values() if learner.guide is not None]
        if len(guides) > 1:
            raise ValueError("two methods guide one policy")
        return guides[0] if guides else None

    def rewards(self, seen: Experience) -> dict[str, NDArray[Any]]:
        """All channels' raw values; the rollout is kept for `learn`."""
        self._seen = seen
        return {name: values for learner in self._named.values() for name, values in learner.rewards(seen).items()}

    def learn(self, model: OnPolicyAlgorithm) -> None:
        """Let each learn from the rollout that `rewards` saw."""
        if self._seen is None:
            return
        for learner in self._named.values():
            learner.learn(self._seen, model)
        self._seen = None

    def state(self) -> dict[str, Any]:
        """States by method."""
        return {name: learner.state() for name, learner in self._named.items()}

    def load(self, states: dict[str, Any]) -> None:
        """Take back states by method."""
        for name, learner in self._named.items():
            if name in states:
                learner.load(states[name])

    def telemetry(self) -> dict[str, Any]:
        """What each has to tell, by method; those with nothing to tell are left out."""
        return {name: told for name, learner in self._named.items() if (told := learner.telemetry())}

    def close(self) -> None:
        """Close all."""
        for learner in self._named.values():
            learner.close()

"""Learner: the hooks by which a method takes part in a trial.

The order within one rollout:

1. SB3 collects the rollout; a `TeacherPolicy` may change each action's distribution, and `StartStates` the states in
   which episodes begin.
2. `rewards` fills the method's channels.
3. Channels are composed, and `composed` is called.
4. Advantages are computed, and PPO updates.
5. `learn` is called.
6. At a checkpoint, `state` is saved.

A learner may draw random numbers only from generators whose state it saves, or from torch's and numpy's global
generators, whose state the trial saves. Then a resumed trial equals an uninterrupted one bit for bit.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rewardsmith.programs.rollout import Rollout
from rewardsmith.tasks.base import Tables
from rewardsmith.training.starts import StartStates
from sandbox.client import Scores

if TYPE_CHECKING:  # modules of methods are imported without torch
    import torch
    from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm


_STARTS = "start states"
"""The name of the start states among the learners' states and statistics."""


@dataclass(frozen=True)
class Experience:
    """One rollout as a learner receives it; its arrays are valid until the next rollout begins.

    Attributes:
        rollout: Symbolic states, actions, the environment's rewards and ends of episodes.
        observations: float32 [T, N, D], the policy's observation before each step.
        following: float32 [T, N, D], the policy's observation after each step, before any reset.
        tables: The tables of the batch that the state rows come from.
        steps: Environment steps of the trial before this rollout.
        scores: The components of the reward program on the rollout; None if there is no program.
    """

    rollout: Rollout
    observations: NDArray[np.float32]
    following: NDArray[np.float32]
    tables: Tables
    steps: int
    scores: Scores | None = None


class TeacherPolicy(ABC):
    """A teacher policy: it changes the logits from which actions are drawn and on which PPO's loss is computed.

    - The teacher's output for a step is stored when the step is taken, and it stays constant over PPO's epochs. So old
      and new log-probabilities are of the same kind of distribution.
    - The entropy bonus and all evaluations use the policy without the teacher.
    - The critic estimates the value of the guided behaviour.
    """

    size: int
    """The number K of values that the teacher outputs per step."""

    @abstractmethod
    def outputs(self, observations: NDArray[np.float32], rows: NDArray[Any], tables: Tables) -> NDArray[np.float32]:
        """Return the teacher's output for the observations that the next actions are chosen for.

        Args:
            observations: float32 [N, D].
            rows: The symbolic states of the same moment, [N, W].
            tables: The tables of the batch that the rows come from.

        Returns:
            float32 [N, K].
        """

    @abstractmethod
    def logits(self, own: torch.Tensor, teacher_output: torch.Tensor) -> torch.Tensor:
        """Return guided logits [B, A] from the policy's `own` [B, A] (with gradient) and `teacher_output` [B, K]."""


class Learner:
    """The hooks of one method in one trial; each does nothing by default."""

    teacher_policy: TeacherPolicy | None = None
    starts: StartStates | None = None

    def rewards(self, seen: Experience) -> dict[str, NDArray[Any]]:
        """Return the raw values of the channels that this learner fills.

        Called once the rollout is complete, before advantages are computed.

        Returns:
            float64 [T, N] by channel name, for channels of kind "bonus" or "learned". If a channel's gate is "count",
            "NAME:keys" has the keys that are counted, int64 [T, N]. The values of a channel of kind "learned" are Phi
            of the states after the steps. "NAME:start" has Phi of those before them, read where an episode starts.
        """
        return {}

    def composed(self, seen: Experience, parts: dict[str, NDArray[np.float64]], model: OnPolicyAlgorithm) -> None:
        """Receive what each channel contributed, float64 [T, N] by name; called before PPO updates `model`."""

    def learn(self, seen: Experience, model: OnPolicyAlgorithm) -> None:
        """Learn from the rollout `seen`; called after PPO has updated `model` on it."""

    def state(self) -> Any:
        """Return the state for a checkpoint: nested dicts and lists of tensors, arrays, numbers, strings and None.

        Every checkpoint truncates all episodes, so per-episode state does not belong here.
        """
        return None

    def load(self, state: Any) -> None:
        """Restore a state that `state` has returned."""

    def telemetry(self) -> dict[str, Any]:
        """Return statistics since the last call, as plain data for the curve and the analyzer."""
        return {}

    def close(self) -> None:
        """End all threads and processes of this learner."""


class Learners:
    """The learners of one trial, by method; their hooks are called in this order."""

    def __init__(self, named: dict[str, Learner]) -> None:
        self._named = named
        self._seen: Experience | None = None

    def __bool__(self) -> bool:
        return bool(self._named)

    @property
    def teacher_policy(self) -> TeacherPolicy | None:
        """The teacher policy of the one learner that has one, or None.

        Raises ValueError if two learners have one, because PPO's probability ratio needs one distribution.
        """
        policies = [learner.teacher_policy for learner in self._named.values() if learner.teacher_policy is not None]
        if len(policies) > 1:
            raise ValueError("two methods have a teacher policy; a trial can have only one")
        return policies[0] if policies else None

    @property
    def starts(self) -> StartStates | None:
        """The start states of the one learner that has some, or None. Raises ValueError if two learners have some."""
        found = [learner.starts for learner in self._named.values() if learner.starts is not None]
        if len(found) > 1:
            raise ValueError("two methods have start states; a trial can have only one")
        return found[0] if found else None

    def rewards(self, seen: Experience) -> dict[str, NDArray[Any]]:
        """Return the raw values of all learners' channels, and keep the rollout for `learn`."""
        self._seen = seen
        return {name: values for learner in self._named.values() for name, values in learner.rewards(seen).items()}

    def composed(self, seen: Experience, parts: dict[str, NDArray[np.float64]], model: OnPolicyAlgorithm) -> None:
        """Tell each learner what each channel contributed."""
        for learner in self._named.values():
            learner.composed(seen, parts, model)

    def learn(self, model: OnPolicyAlgorithm) -> None:
        """Let each learner learn from the rollout that `rewards` received."""
        if self._seen is None:
            return
        for learner in self._named.values():
            learner.learn(self._seen, model)
        self._seen = None

    def state(self) -> dict[str, Any]:
        """Return the state of each learner, by method, and that of the start states."""
        states = {name: learner.state() for name, learner in self._named.items()}
        return states if self.starts is None else {**states, _STARTS: self.starts.state()}

    def load(self, states: dict[str, Any]) -> None:
        """Restore the states that `state` has returned."""
        for name, learner in self._named.items():
            if name in states:
                learner.load(states[name])
        if self.starts is not None and _STARTS in states:
            self.starts.load(states[_STARTS])

    def telemetry(self) -> dict[str, Any]:
        """Return the statistics of each learner, by method, and of the start states; those without any are omitted."""
        found = {name: learner.telemetry() for name, learner in self._named.items()}
        if self.starts is not None:
            found[_STARTS] = {**found.get(_STARTS, {}), **self.starts.telemetry()}
        return {name: told for name, told in found.items() if told}

    def close(self) -> None:
        """Close every learner of the trial."""
        for learner in self._named.values():
            learner.close()

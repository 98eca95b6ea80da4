"""The exact model of an environment with finitely many states: every transition with its probability."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from rewardsmith.errors import UsageError
from rewardsmith.tasks.base import BatchEnv


class NotTabular(UsageError):
    """A task has no exact model; the cause holds every reason that was found."""


@dataclass(frozen=True)
class TransitionTable:
    """S states and A actions; K outcomes, grouped by state and action.

    The outcomes of action a in state s are the entries from `first[s * A + a]` to `first[s * A + a + 1]`. No two of
    them are equal. Episodes have no step limit here; the task has one.

    Attributes:
        states: The number S of states.
        actions: The number A of actions, as reward code counts them.
        first: int64 [S * A + 1], the place of the first outcome of each state and action.
        probability: float64 [K], in (0, 1]; the outcomes of a state and action sum to 1.
        successor: int64 [K], the state that follows, in 0 to S - 1.
        reward: float64 [K], the environment's own reward.
        terminated: bool [K], whether the episode ends.
        solved: bool [K], whether the task's success test holds on the step; None if that depends on more than the step.
        start: float64 [S], the probability that an episode starts in each state.
        rows: float64 [S, W], each state as a reward program reads it: a row of the task's schema, with step count 0.
    """

    states: int
    actions: int
    first: NDArray[np.int64]
    probability: NDArray[np.float64]
    successor: NDArray[np.int64]
    reward: NDArray[np.float64]
    terminated: NDArray[np.bool_]
    solved: NDArray[np.bool_] | None
    start: NDArray[np.float64]
    rows: NDArray[np.float64]

    @property
    def deterministic(self) -> bool:
        """Whether every action has one outcome."""
        return len(self.probability) == self.states * self.actions

    def outcomes(self, state: int, action: int) -> slice:
        """Return where the outcomes of an action in a state are."""
        pair = state * self.actions + action
        return slice(int(self.first[pair]), int(self.first[pair + 1]))

    def expected(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the expectation of a number per outcome [K] for each state and action, float64 [S, A]."""
        return np.add.reduceat(self.probability * values, self.first[:-1]).reshape(self.states, self.actions)

    def backup(self, values: NDArray[np.float64], gamma: float = 1.0) -> NDArray[np.float64]:
        """Return E[reward + gamma * values[successor]] for each state and action; nothing follows a termination.

        Args:
            values: The value of each state, float64 [S].
            gamma: The discount factor, in [0, 1].

        Returns:
            float64 [S, A].
        """
        return self.expected(self.reward + gamma * np.where(self.terminated, 0.0, values[self.successor]))


@runtime_checkable
class TabularDynamics(Protocol):
    """Knows every transition with its probability. Without it nothing about stochastic play is computed exactly."""

    def transition_table(self) -> TransitionTable:
        """Return the exact model, which has been compared with play.

        Raises:
            NotTabular: If the environment has none, or contradicts it, with every reason.
        """
        ...

    def table_states(self, batch: BatchEnv) -> NDArray[np.int64]:
        """Return the state of each environment of a batch, as the exact model counts states, int64 [N].

        batch: One that `batch` returned.
        """
        ...

    def table_seed(self, layout: int) -> int:
        """Return the seed that makes the environment's reset start on a training layout."""
        ...

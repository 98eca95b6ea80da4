"""A reference: something that acts well in a task, and what it achieves. capabilities.py says which tasks have one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rewardsmith.tasks.base import BatchEnv


class ReferencePlayer(Protocol):
    """A reference at play in one batch; it remembers what it needs of each running episode."""

    def actions(self, rows: NDArray[Any], starts: NDArray[np.bool_]) -> NDArray[Any]:
        """Choose the next actions.

        Args:
            rows: State rows before the actions, [N, W].
            starts: Whether an episode starts at this step, bool [N].

        Returns:
            int64 [N] for discrete actions, else float64 [N, A], within the action space.

        Raises:
            TaskError: If it raises, or returns what is no action.
        """
        ...


@dataclass(frozen=True)
class Achieved:
    """What a way to act achieved in some episodes.

    Attributes:
        episodes: Episodes played, each to its end.
        successes: Episodes that succeeded.
        mean_return: Mean return of an episode by the environment's own reward.
        mean_length: Mean number of steps of an episode.
    """

    episodes: int
    successes: int
    mean_return: float
    mean_length: float

    @property
    def success_rate(self) -> float:
        """Fraction of the episodes that succeeded, in [0, 1]."""
        return self.successes / self.episodes


class Reference(Protocol):
    """Something that acts well in a task: a function of the state, a policy, or recorded episodes.

    Attributes:
        name: How messages call it.
    """

    name: str

    @property
    def reads_state(self) -> bool:
        """Whether it acts on the state rows that `actions` is given."""
        ...

    def layouts(self, count: int) -> Sequence[int]:
        """Return at most `count` training layouts that it can play."""
        ...

    def start_seed(self, layout: int) -> int:
        """Return the seed that makes the environment's reset start on a training layout."""
        ...

    def batch(self, num_envs: int) -> BatchEnv:
        """Return environments in this process, in which it can act. The caller closes them."""
        ...

    def player(self, batch: BatchEnv) -> ReferencePlayer:
        """Return the reference at play in a batch that `batch` returned."""
        ...

    def achieves(self, episodes: int = 20) -> Achieved:
        """Play training layouts, by default 20, and return what it achieved; the result is kept. Raises TaskError."""
        ...

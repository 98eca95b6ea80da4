"""A running scale of the composed reward: the critic's targets have a size of about 1, whatever a reward pays."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

_MEMORY = 100  # rollouts that the running mean square looks back on, once there are so many


class ReturnScale:
    """One over the running root mean square of discounted returns, one factor per rollout.

    SB3 clips the norm of the actor's and the critic's gradients together. Where each step pays -1, returns near
    -1 / (1 - gamma) make the critic's part so large that the actor hardly moves. VecNormalize (Engstrom et al. 2020,
    "Implementation matters in deep policy gradients") divides by a standard deviation and clips. Here nothing is
    centred and nothing clipped, so a rollout's rewards are those of the same problem times a constant: optimal
    policies stay, and potentials keep their invariance.
    """

    def __init__(self, gamma: float) -> None:
        self._gamma = gamma
        self._mean_square = 0.0
        self._rollouts = 0

    def factor(self, total: NDArray[np.float64], ends: NDArray[np.bool_]) -> float:
        """Take in a rollout's rewards and ends of episodes, each [T, N], and return what to multiply the rewards by.

        Returns look forward from each step to the end of its episode, or of the rollout. 1 while nothing was paid.
        """
        following = np.zeros(total.shape[1])
        square = 0.0
        for t in reversed(range(len(total))):
            following = total[t] + self._gamma * np.where(ends[t], 0.0, following)
            square += float(following @ following)
        self._rollouts = min(self._rollouts + 1, _MEMORY)
        self._mean_square += (square / total.size - self._mean_square) / self._rollouts
        return 1.0 / math.sqrt(self._mean_square) if self._mean_square > 0.0 else 1.0

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {"mean_square": self._mean_square, "rollouts": self._rollouts}

    def load(self, state: dict[str, Any]) -> None:
        """Take back what `state` returned."""
        self._mean_square, self._rollouts = float(state["mean_square"]), int(state["rollouts"])

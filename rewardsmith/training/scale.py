"""A running scale of the composed reward: the critic's targets have a size of about 1 for every reward."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

_MEMORY = 100  # rollouts in the window of the running mean square
_MEMORY_STEPS = 100_000  # environment steps in that of a replay buffer


class ReturnScale:
    """The reciprocal of the running root mean square of discounted returns, one factor per rollout.

    SB3 clips the norm of the actor's and the critic's gradients together. If each step gives -1, returns near
    -1 / (1 - gamma) make the critic's part so large that the actor hardly moves. VecNormalize (Engstrom et al. 2020,
    "Implementation matters in deep policy gradients") divides by a standard deviation and clips. This class neither
    centres nor clips. So a rollout's rewards are those of the same problem times a constant: the optimal policies do
    not change, and potentials keep their invariance.
    """

    def __init__(self, gamma: float) -> None:
        self._gamma = gamma
        self._mean_square = 0.0
        self._rollouts = 0

    def factor(self, total: NDArray[np.float64], ends: NDArray[np.bool_]) -> float:
        """Update the scale with a rollout, and return the factor for its rewards.

        Args:
            total: Rewards, float64 [T, N]. The return of a step is summed to the end of its episode or of the rollout.
            ends: Ends of episodes, bool [T, N].

        Returns:
            The factor, positive; 1 while all rewards were 0.
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
        """Return the state for a checkpoint, by name."""
        return {"mean_square": self._mean_square, "rollouts": self._rollouts}

    def load(self, state: dict[str, Any]) -> None:
        """Restore a state that `state` has returned."""
        self._mean_square, self._rollouts = float(state["mean_square"]), int(state["rollouts"])


class RunningScale:
    """The reciprocal of the root mean square of discounted returns, for rewards that a replay buffer keeps.

    A replay buffer mixes transitions of all times, and a factor applies to a whole batch when it is sampled. So the
    factor must change slowly: the mean is over all steps of the trial, and over the last 100,000 of them in a longer
    one. Returns are summed forwards, as in VecNormalize (Engstrom et al. 2020), because a few steps contain no end.
    """

    def __init__(self, gamma: float, envs: int) -> None:
        self._gamma = gamma
        self._returns = np.zeros(envs)
        self._mean_square = 0.0
        self._steps = 0

    @property
    def factor(self) -> float:
        """The factor, positive; 1 while all rewards were 0."""
        return 1.0 / math.sqrt(self._mean_square) if self._mean_square > 0.0 else 1.0

    def after(self, total: NDArray[np.float64], ends: NDArray[np.bool_]) -> float:
        """Return the factor after further steps.

        Args:
            total: Rewards, float64 [T, N].
            ends: Ends of episodes, bool [T, N].
        """
        for rewards, ended in zip(total, ends, strict=True):
            self._returns = self._gamma * self._returns + rewards
            self._steps = min(self._steps + len(rewards), _MEMORY_STEPS)
            square = float(self._returns @ self._returns) / len(rewards)
            self._mean_square += (square - self._mean_square) * len(rewards) / self._steps
            self._returns[ended] = 0.0
        return self.factor

    def state(self) -> dict[str, Any]:
        """Return the state for a checkpoint, which truncates all episodes, by name."""
        return {"mean_square": self._mean_square, "steps": self._steps}

    def load(self, state: dict[str, Any]) -> None:
        """Restore a state that `state` has returned."""
        self._mean_square, self._steps = float(state["mean_square"]), int(state["steps"])

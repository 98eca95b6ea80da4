"""A running scale of the composed reward: the critic's targets have a size of about 1 for every reward."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

_MEMORY = 100  # rollouts in the window of the running mean square
_MEMORY_STEPS = 100_000  # environment steps in that of a replay buffer
RETURNS = 100.0
"""Root mean square of scaled returns in a replay buffer: that of 1 per step for gamma = 0.99.

SAC's entropy coefficient begins at 1 and falls slowly. With returns of about 1, rewards are far below its bonus.
"""


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
    """The factor of the rewards that a replay buffer keeps: `target` over the root mean square of discounted returns.

    A replay buffer mixes transitions of all times, and a factor applies to a whole batch when it is sampled. So the
    factor must change slowly: the mean is over all steps of the trial, and over about the last 100,000 of them in a
    longer one. The return of a step is summed from that step to the end of its episode, or to the present step if the
    episode goes on. It has the size of the values that a critic learns. VecNormalize (Engstrom et al. 2020) sums
    backwards instead, which is 0 at each step before a reward that ends the episode.
    """

    def __init__(self, gamma: float, envs: int, target: float = RETURNS) -> None:
        """Start with a factor of 1.

        Args:
            gamma: The learner's discount factor.
            envs: The number N of environments.
            target: The root mean square of scaled returns.
        """
        self._gamma, self._target = gamma, target
        self._squares, self._steps = 0.0, 0.0  # of ended episodes: sums of squared returns, and of steps
        # Of running episodes, [N]: the sum of G(t)^2, the sums of gamma^age(t) G(t) and of gamma^(2 age(t)), the steps.
        self._open, self._mixed, self._weights, self._length = (np.zeros(envs) for _ in range(4))

    @property
    def factor(self) -> float:
        """The factor, positive; 1 while all rewards were 0."""
        square = self._squares + float(self._open.sum())
        steps = self._steps + float(self._length.sum())
        return self._target / math.sqrt(square / steps) if square > 0.0 else 1.0

    def after(self, total: NDArray[np.float64], ends: NDArray[np.bool_]) -> float:
        """Return the factor after further steps.

        Args:
            total: Rewards, float64 [T, N].
            ends: Ends of episodes, bool [T, N].
        """
        gamma = self._gamma
        for rewards, ended in zip(total, ends, strict=True):
            # A reward r adds gamma^age(t) r to the return G(t) of each earlier step t of its episode.
            self._mixed *= gamma
            self._weights = gamma**2 * self._weights + 1.0
            self._open += 2.0 * rewards * self._mixed + rewards**2 * self._weights
            self._mixed += rewards * self._weights
            self._length += 1.0
            if ended.any():
                self._close(ended)
        return self.factor

    def _close(self, ended: NDArray[np.bool_]) -> None:
        """Add the episodes that have ended, [N], to the mean, which forgets old ones."""
        self._squares += float(self._open[ended].sum())
        self._steps += float(self._length[ended].sum())
        for part in (self._open, self._mixed, self._weights, self._length):
            part[ended] = 0.0
        if self._steps > _MEMORY_STEPS:
            self._squares *= _MEMORY_STEPS / self._steps
            self._steps = float(_MEMORY_STEPS)

    def start_again(self) -> None:
        """End the episodes of every environment."""
        self._close(np.ones(len(self._length), dtype=bool))

    def state(self) -> dict[str, Any]:
        """Return the state for a checkpoint, which truncates all episodes, by name."""
        return {"squares": self._squares, "steps": self._steps}

    def load(self, state: dict[str, Any]) -> None:
        """Restore a state that `state` has returned."""
        self._squares, self._steps = float(state["squares"]), float(state["steps"])

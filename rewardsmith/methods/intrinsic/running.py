"""Running statistics, by Chan, Golub and LeVeque's parallel update. numpy only."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


class Moments:
    """Mean and variance of all vectors [..., D] added so far, or of numbers if D = ()."""

    def __init__(self, shape: tuple[int, ...] = ()) -> None:
        self.count = 0.0
        self.mean = np.zeros(shape)
        self.var = np.ones(shape)

    def add(self, values: NDArray[Any]) -> None:
        """Update the statistics with `values` [..., D]."""
        flat = np.asarray(values, dtype=np.float64).reshape(-1, *self.mean.shape)
        count, mean, var = len(flat), flat.mean(0), flat.var(0)
        total = self.count + count
        apart = mean - self.mean
        self.var = (self.var * self.count + var * count + apart**2 * self.count * count / total) / total
        self.mean = self.mean + apart * count / total
        self.count = total

    @property
    def std(self) -> NDArray[np.float64]:
        """Standard deviation [D]; 1 before the first value."""
        return np.sqrt(self.var)

    def state(self) -> dict[str, Any]:
        """Count, mean and variance for a checkpoint."""
        return {"count": self.count, "mean": self.mean, "var": self.var}

    def load(self, state: dict[str, Any]) -> None:
        """Restore the value that `state` returned."""
        # Moments of single numbers are restored as numbers.
        self.count, self.mean, self.var = state["count"], np.asarray(state["mean"]), np.asarray(state["var"])


class ReturnScale:
    """Divides intrinsic rewards by the standard deviation of their discounted sums (RND, section 2.4).

    The sums continue over the ends of episodes, as in the paper.
    """

    def __init__(self, envs: int, gamma: float) -> None:
        self._gamma = gamma
        self._sums = np.zeros(envs)
        self._moments = Moments()

    def __call__(self, rewards: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return `rewards` [T, N] divided by the standard deviation, which is updated with them first."""
        sums = np.empty_like(rewards)
        for t, now in enumerate(rewards):
            self._sums = sums[t] = self._gamma * self._sums + now
        self._moments.add(sums)
        return rewards / np.maximum(self._moments.std, 1e-8)

    def state(self) -> dict[str, Any]:
        """Sums and statistics for a checkpoint."""
        return {"sums": self._sums, "moments": self._moments.state()}

    def load(self, state: dict[str, Any]) -> None:
        """Restore the value that `state` returned."""
        self._sums = state["sums"]
        self._moments.load(state["moments"])


class MovingStandard:
    """Standardises a bonus to mean 0 and deviation 1, with moments that move from rollout to rollout.

    mean <- m * mean + (1 - m) * mean of the rollout, and the same for the variance; the first rollout sets both. DEIR
    (Wan et al. 2023) and ETD (Jiang et al. 2025) standardise their bonuses so, with momentum m = 0.9. A step with less
    than the mean bonus then costs, so that an agent which stays idle loses reward.
    """

    def __init__(self, momentum: float = 0.9) -> None:
        self._momentum = momentum
        self._mean, self._var, self._begun = 0.0, 0.0, False

    def __call__(self, raw: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return `raw` [T, N] standardised; the moments are updated with it first, then constant over the rollout."""
        kept = self._momentum if self._begun else 0.0
        self._mean = kept * self._mean + (1.0 - kept) * float(raw.mean())
        self._var = kept * self._var + (1.0 - kept) * float(raw.var())
        self._begun = True
        return (raw - self._mean) / max(self._var**0.5, 1e-8)

    @property
    def mean(self) -> float:
        """The moving mean of the raw bonus; 0 before the first rollout."""
        return self._mean

    def state(self) -> dict[str, Any]:
        """The moments for a checkpoint."""
        return {"mean": self._mean, "var": self._var, "begun": self._begun}

    def load(self, state: dict[str, Any]) -> None:
        """Restore the value that `state` returned."""
        self._mean, self._var, self._begun = float(state["mean"]), float(state["var"]), bool(state["begun"])

"""ETD's distance between observations: a quasimetric over a network, trained by contrast. Loads torch."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from rewardsmith.methods.intrinsic.networks import Trained, mlp, seeded

_FEATURES, _HIDDEN = 64, 128
_MINIBATCH = 512


def quasimetric(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Return d(x, y) [H, L] between embeddings [H, F] and [L, F]: zero to itself, triangle inequality, no symmetry.

        d(x, y) = max_j relu(x_j - y_j) over the first half + || x - y ||_2 over the second half

    This is the metric residual network of Liu et al. 2023, which ETD uses.
    """
    half = x.shape[1] // 2
    # The array of all differences, [H, L, F / 2], would leave the processor's cache, which makes it 5 times slower.
    with torch.no_grad():
        largest = x[:, 0, None] - y[None, :, 0]
        at = torch.zeros(largest.shape, dtype=torch.int64)
        for j in range(1, half):
            difference = x[:, j, None] - y[None, :, j]
            at.masked_fill_(difference > largest, j)
            torch.maximum(largest, difference, out=largest)
    ahead = functional.relu(x.gather(1, at) - y.gather(1, at.T).T)
    return ahead + torch.cdist(x[:, half:], y[:, half:], compute_mode="donot_use_mm_for_euclid_dist")


def symmetric_info_nce(energies: torch.Tensor) -> torch.Tensor:
    """Return the loss of `energies` [B, B] whose diagonal holds the positive pairs: cross-entropy by row and column."""
    labels = torch.arange(len(energies))
    return functional.cross_entropy(energies, labels) + functional.cross_entropy(energies.T, labels)


class TemporalDistance:
    """An encoder with a quasimetric, and the potential c(y) that makes up for how often y is visited."""

    def __init__(self, size: int, seed: int, learning_rate: float) -> None:
        with seeded(seed):
            networks: dict[str, nn.Module] = {
                "encoder": nn.Sequential(mlp(size, _HIDDEN, _HIDDEN, _FEATURES)),
                "potential": mlp(size, _HIDDEN, 1),
            }
        self.trained = Trained(seed, learning_rate, networks, list(networks))

    def embedded(self, observations: NDArray[np.float32]) -> torch.Tensor:
        """Return embeddings [..., F] of observations [..., D], without gradient."""
        with torch.no_grad():
            return self.trained.networks["encoder"](torch.from_numpy(observations))

    def learn(self, observations: NDArray[np.float32], futures: NDArray[np.float32], epochs: int) -> float:
        """Train on pairs of observations [B, D] and later ones of the same episodes [B, D].

        Returns:
            How often the true pair had the highest energy in its row of the last epoch, in [0, 1].
        """
        x, y = torch.from_numpy(observations), torch.from_numpy(futures)
        networks, right, count = self.trained.networks, 0, 1
        for _ in range(epochs):
            right = count = 0
            for chosen in self.trained.minibatches(len(x), _MINIBATCH):
                distance = quasimetric(networks["encoder"](x[chosen]), networks["encoder"](y[chosen]))
                energies = networks["potential"](y[chosen])[:, 0] - distance
                self.trained.step(symmetric_info_nce(energies))
                right += int((energies.argmax(1) == torch.arange(len(chosen))).sum())
                count += len(chosen)
        return right / count


def later_steps(
    starts: NDArray[np.bool_], gamma: float, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Draw for each step a later one of its episode in the rollout, at a distance of 0 or more after a geometric law.

    Args:
        starts: Whether a step begins an episode, bool [T, N].
        gamma: P(distance = k) = (1 - gamma) gamma^k; what would lie beyond the episode or the rollout is its last step.
        rng: The generator.

    Returns:
        The drawn step of each step and environment, int64 [T, N], and the environments, int64 [T, N].
    """
    steps, envs = starts.shape
    last = np.empty((steps, envs), dtype=np.int64)
    end = np.full(envs, steps - 1)
    for t in reversed(range(steps)):
        last[t] = end
        end = np.where(starts[t], t - 1, end)
    apart = rng.geometric(1.0 - gamma, size=(steps, envs)) - 1
    return np.minimum(np.arange(steps)[:, None] + apart, last), np.broadcast_to(np.arange(envs), (steps, envs))

"""The decoder of return decomposition and its loss. Loads torch.

Ren et al., ICLR 2022 (arXiv 2111.13485), as LaRe uses it (arXiv 2412.11120). For an episode of T steps with return R,
and K steps drawn from it without replacement:

    L = (R/T - mean_K r^)^2 - (1 - K/T) / K * Var_K(r^)

The second term makes L an unbiased estimate of (R/T - mean_T r^)^2; Var_K is the sample variance.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rewardsmith.methods.decomposition.episodes import Episode
from rewardsmith.methods.intrinsic.networks import Trained, mlp, seeded
from rewardsmith.methods.intrinsic.running import Moments

_HIDDEN = 256
_EPISODES, _STEPS = 4, 64  # per batch: episodes, and steps of each
_CALIBRATED = 32  # latest episodes by which predictions are scaled
_SCALES = (0.1, 10.0)
_CLIP = 10.0


def decomposition_loss(predicted: torch.Tensor, returned: float, steps: int, *, unbiased: bool = True) -> torch.Tensor:
    """Return L of one episode.

    Args:
        predicted: float [K], r^ of K distinct steps of the episode.
        returned: The return R.
        steps: The length T of the episode, at least K.
        unbiased: Whether to subtract the variance that drawing K of T steps adds.
    """
    drawn = len(predicted)
    loss = (returned / steps - predicted.mean()).square()
    if unbiased and 1 < drawn < steps:
        loss = loss - (1 - drawn / steps) / drawn * predicted.var()
    return loss


class Decoder:
    """f_psi: an MLP 256-256-1 on features that running moments standardise, with Adam.

    Attributes:
        scale: Factor of all predictions, see `calibrate`.
        loss: Mean loss of the last training; None before it.
    """

    def __init__(self, size: int, seed: int, learning_rate: float = 3e-4, *, by_length: bool = True) -> None:
        """Make a decoder of `size` features.

        Args:
            size: The number D of features.
            seed: Seed of weights and batches.
            learning_rate: Of Adam.
            by_length: Whether each episode's loss is weighted by T^2; otherwise short ones count little.
        """
        with seeded(seed):
            network = mlp(size, _HIDDEN, _HIDDEN, 1)
        self._trained = Trained(seed, learning_rate, {"decoder": network}, ["decoder"])
        self._by_length = by_length
        self.moments = Moments((size,))
        self.scale = 1.0
        self.loss: float | None = None

    def standardised(self, features: NDArray[Any]) -> NDArray[np.float32]:
        """Return z [..., D] of features [..., D], clipped at 10; a feature that never varied is 0."""
        spread = np.where(self.moments.std > 1e-6, self.moments.std, np.inf)
        # A rare event has a small deviation, so its z would be far outside of what the network has seen.
        return np.clip((features - self.moments.mean) / spread, -_CLIP, _CLIP).astype(np.float32)

    def decoded(self, standardised: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return scale * r^ float64 [...] for standardised features [..., D]."""
        with torch.no_grad():
            values = self._trained.networks["decoder"](torch.from_numpy(standardised).flatten(0, -2))
        return self.scale * values.double().numpy().reshape(standardised.shape[:-1])

    def __call__(self, features: NDArray[Any]) -> NDArray[np.float64]:
        """Return scale * r^ float64 [...] for features [..., D]."""
        return self.decoded(self.standardised(features))

    def train(self, episodes: Sequence[Episode], batches: int) -> None:
        """Take `batches` gradient steps, each on 4 episodes drawn uniformly and at most 64 steps of each."""
        if not episodes:
            return
        generator, network = self._trained.generator, self._trained.networks["decoder"]
        total = 0.0
        for _ in range(batches):
            drawn = torch.randint(len(episodes), (_EPISODES,), generator=generator).tolist()
            chosen = [episodes[i] for i in drawn]
            rows = [torch.randperm(len(e.features), generator=generator)[:_STEPS].numpy() for e in chosen]
            steps = np.concatenate([e.features[at] for e, at in zip(chosen, rows, strict=True)])
            predicted = network(torch.from_numpy(self.standardised(steps))).squeeze(1)
            losses = [
                decomposition_loss(part, e.returned, len(e.features)) * self._weight(e)
                for part, e in zip(predicted.split([len(at) for at in rows]), chosen, strict=True)
            ]
            loss = torch.stack(losses).mean()
            self._trained.step(loss)
            total += float(loss.detach())
        self.loss = total / batches

    def _weight(self, episode: Episode) -> float:
        return float(len(episode.features)) ** 2 if self._by_length else 1.0

    def calibrate(self, episodes: Sequence[Episode]) -> None:
        """Set the scale so that the mean of sum r^ over the latest successful episodes equals their mean return.

        Without a success all episodes are used. The scale stays within [0.1, 10].
        """
        chosen = [e for e in episodes if e.success] or list(episodes)
        if not chosen:
            return
        self.scale = 1.0
        predicted = float(np.mean(self.returns(chosen[-_CALIBRATED:])))
        wanted = float(np.mean([e.returned for e in chosen[-_CALIBRATED:]]))
        ratio = wanted / predicted if predicted else 1.0
        self.scale = float(np.clip(ratio, *_SCALES)) if ratio > 0 else 1.0

    def returns(self, episodes: Sequence[Episode], without: int | None = None) -> NDArray[np.float64]:
        """Return the predicted return of each episode, float64 [E].

        Args:
            episodes: The episodes.
            without: Index of a feature to replace by its mean.
        """
        standardised = self.standardised(np.concatenate([e.features for e in episodes]))
        if without is not None:
            standardised[:, without] = 0.0
        ends = np.cumsum([len(e.features) for e in episodes])
        return np.add.reduceat(self.decoded(standardised), np.concatenate([[0], ends[:-1]]))

    def state(self) -> dict[str, Any]:
        """Network, optimizer, generator, moments and scale for a checkpoint."""
        return {
            "trained": self._trained.state(),
            "moments": self.moments.state(),
            "scale": self.scale,
            "loss": self.loss,
        }

    def load(self, state: dict[str, Any]) -> None:
        """Restore the value that `state` returned."""
        self._trained.load(state["trained"])
        self.moments.load(state["moments"])
        self.scale, self.loss = state["scale"], state["loss"]

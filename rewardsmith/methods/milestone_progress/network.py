"""The potential critic: an MLP that predicts progress from observations. Loads torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from rewardsmith.methods.intrinsic.networks import Trained, mlp, seeded

_HIDDEN = 128
_MINIBATCH = 256


class ProgressNetwork:
    """P_b: an MLP 128-128-1 with a sigmoid, trained by cross-entropy with progress in [0, 1] (Adam).

    Attributes:
        loss: Mean loss of the last training; None before it.
    """

    def __init__(self, size: int, seed: int, learning_rate: float) -> None:
        with seeded(seed):
            network = mlp(size, _HIDDEN, _HIDDEN, 1)
        self._trained = Trained(seed, learning_rate, {"progress": network}, ["progress"])
        self.loss: float | None = None

    def __call__(self, observations: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the predicted progress float64 [...] of observations [..., D]."""
        with torch.no_grad():
            logits = self._trained.networks["progress"](torch.from_numpy(observations).flatten(0, -2))
        return torch.sigmoid(logits).double().numpy().reshape(observations.shape[:-1])

    def train(
        self, observations: Sequence[NDArray[np.float32]], labels: Sequence[NDArray[np.float64]], steps: int
    ) -> None:
        """Take `steps` gradient steps on observations drawn uniformly from episodes.

        Args:
            observations: float32 [T, D] per episode.
            labels: float64 [T] per episode.
            steps: Gradient steps.
        """
        lengths = np.array([len(each) for each in labels])
        ends = np.cumsum(lengths)
        wanted, total = np.concatenate(labels), 0.0
        for _ in range(steps):
            drawn = torch.randint(int(ends[-1]), (_MINIBATCH,), generator=self._trained.generator).numpy()
            episode = np.searchsorted(ends, drawn, side="right")
            at = drawn - (ends - lengths)[episode]
            seen = np.stack([observations[e][t] for e, t in zip(episode, at, strict=True)])
            logits = self._trained.networks["progress"](torch.from_numpy(seen)).squeeze(1)
            target = torch.from_numpy(wanted[drawn].astype(np.float32))
            loss = functional.binary_cross_entropy_with_logits(logits, target)
            self._trained.step(loss)
            total += float(loss.detach())
        self.loss = total / steps

    def state(self) -> dict[str, Any]:
        """Network, optimizer and generator for a checkpoint."""
        return {"trained": self._trained.state(), "loss": self.loss}

    def load(self, state: dict[str, Any]) -> None:
        """Restore the value that `state` returned."""
        self._trained.load(state["trained"])
        self.loss = state["loss"]

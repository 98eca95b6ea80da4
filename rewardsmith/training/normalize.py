"""Observations normalised by their running moments, inside the policy: its weights carry them everywhere.

As VecNormalize does (Engstrom et al. 2020, "Implementation matters in deep policy gradients"), each entry is centred,
divided by its standard deviation and clipped. The moments change between two rollouts only. So the probabilities that
PPO compares belong to the same moments.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.preprocessing import is_image_space
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor, CombinedExtractor, FlattenExtractor

from rewardsmith.tasks.observations import ObservationSpace

_LIMIT = 10.0  # standard deviations at which an entry is clipped
_LEAST_VARIANCE = 1e-8
_ROWS = 64  # rows after which the moments are updated


class Moments(torch.nn.Module):
    """The running mean and variance of a vector, as buffers of the policy.

    They are not called running, because SB3 copies tensors of that name from critics to their targets.
    """

    count: torch.Tensor
    mean: torch.Tensor
    variance: torch.Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        self.register_buffer("count", torch.zeros(()))
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("variance", torch.ones(size))

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Return `rows` [B, size] normalised."""
        scaled = (rows - self.mean) / torch.sqrt(self.variance + _LEAST_VARIANCE)
        return torch.clamp(scaled, -_LIMIT, _LIMIT)

    def include(self, rows: torch.Tensor) -> None:
        """Include `rows` [B, size] in the moments (Chan et al. 1979)."""
        new, size = self.count + len(rows), len(rows)
        away = rows.mean(dim=0) - self.mean
        squares = self.variance * self.count + rows.var(dim=0, unbiased=False) * size
        self.variance.copy_((squares + away**2 * self.count * size / new) / new)
        self.mean.add_(away * size / new)
        self.count.copy_(new)


class NormalizedVector(BaseFeaturesExtractor):
    """SB3's FlattenExtractor on normalised observations."""

    def __init__(self, observation_space: spaces.Space) -> None:
        inner = FlattenExtractor(observation_space)
        super().__init__(observation_space, inner.features_dim)
        self.inner, self.moments = inner, Moments(inner.features_dim)

    def forward(self, observations: torch.Tensor) -> torch.Tensor:
        """Return the features [B, size]."""
        return self.moments(self.inner(observations))


class NormalizedDict(BaseFeaturesExtractor):
    """SB3's CombinedExtractor on a Dict whose vectors are normalised; images and one-hot codes are left alone."""

    def __init__(self, observation_space: spaces.Dict, **options: Any) -> None:
        inner = CombinedExtractor(observation_space, **options)
        super().__init__(observation_space, inner.features_dim)
        self.inner = inner
        self.moments = torch.nn.ModuleDict(
            {
                key: Moments(int(np.prod(space.shape)))
                for key, space in observation_space.spaces.items()
                if isinstance(space, spaces.Box) and not is_image_space(space)
            }
        )

    def forward(self, observations: dict[str, torch.Tensor]) -> torch.Tensor:
        """Return the features [B, size]."""
        changed = {
            key: module(observations[key].flatten(1)).reshape(observations[key].shape)
            for key, module in self.moments.items()
        }
        return self.inner({**observations, **changed})


def extractor_for(space: spaces.Space) -> type[BaseFeaturesExtractor] | None:
    """Return the extractor that normalises observations of `space`; None for images and discrete observations."""
    if isinstance(space, spaces.Dict):
        return NormalizedDict
    vector = isinstance(space, spaces.Box) and not is_image_space(space)
    return NormalizedVector if vector else None


class MomentsUpdate:
    """Includes the observations of each rollout in the moments of a policy's extractors, which stay equal."""

    def __init__(self, policy: torch.nn.Module, observation: ObservationSpace) -> None:
        self._extractors = [m for m in policy.modules() if isinstance(m, (NormalizedVector, NormalizedDict))]
        self._observation = observation
        self._waiting: list[NDArray[Any]] = []

    def after(self, rows: NDArray[Any]) -> None:
        """Include the policy's observations of a rollout, [T, N, D], once there are enough of them."""
        self._waiting.append(rows.reshape(-1, rows.shape[-1]).copy())
        if sum(map(len, self._waiting)) >= _ROWS:
            self.flush()

    def flush(self) -> None:
        """Include the observations that wait; call it before a checkpoint."""
        if not self._waiting:
            return
        seen = self._observation.structured(np.concatenate(self._waiting))
        self._waiting.clear()
        self.include(seen)

    def include(self, seen: Any) -> None:
        """Include observations [B, ...] in the form that the policy receives."""
        with torch.no_grad():
            for moments, values in self._parts(seen):
                rows = torch.as_tensor(values, dtype=torch.float32, device=moments.mean.device).flatten(1)
                moments.include(rows)

    def _parts(self, seen: Any) -> Iterator[tuple[Moments, NDArray[Any]]]:
        for each in self._extractors:
            if isinstance(each, NormalizedVector):
                yield each.moments, seen
            else:
                yield from ((module, seen[key]) for key, module in each.moments.items())  # type: ignore[misc]

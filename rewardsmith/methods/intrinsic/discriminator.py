"""DEIR's discriminator of observations, whose embeddings measure novelty. Loads torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from rewardsmith.methods.intrinsic.networks import Trained, mlp, seeded
from rewardsmith.training.learner import Experience

_FEATURES, _HIDDEN, _LATENTS = 64, 128, 128
_MINIBATCH = 512
_EPSILON = 1e-6  # in the denominator, as published


class Fakes(Protocol):
    """Where false observations come from."""

    def draw(self, count: int) -> NDArray[np.float32]:
        """Return `count` observations [count, D]."""
        ...

    def __len__(self) -> int: ...


@dataclass(frozen=True)
class Passed:
    """A rollout in embeddings.

    Attributes:
        visited: Embeddings of observation and trajectory before each step, side by side, [T, N, 2 F].
        reached: The same after each step, [T, N, 2 F].
        memories: The GRU's state before each step, [T, N, F]; 0 at an episode's start.
        hidden: Its state after the rollout, [N, F].
    """

    visited: torch.Tensor
    reached: torch.Tensor
    memories: torch.Tensor
    hidden: torch.Tensor


class Discriminator:
    """An encoder of observations, a GRU over it, and a head that tells true successors from false ones."""

    width = _FEATURES

    def __init__(self, size: int, actions: int, seed: int, learning_rate: float) -> None:
        self._actions = actions
        with seeded(seed):
            networks: dict[str, nn.Module] = {
                "encoder": nn.Sequential(mlp(size, _HIDDEN, _HIDDEN, _FEATURES), nn.LayerNorm(_FEATURES)),
                "trajectory": nn.GRUCell(_FEATURES, _FEATURES),
                "head": mlp(2 * _FEATURES + actions, _LATENTS, 1),
            }
        self.trained = Trained(seed, learning_rate, networks, list(networks))

    def trajectories(
        self, before: torch.Tensor, after: torch.Tensor, starts: torch.Tensor, hidden: torch.Tensor
    ) -> Passed:
        """Return the embeddings of a rollout [T, N, D] that continues episodes of GRU state `hidden` [N, F]."""
        networks = self.trained.networks
        first, then = networks["encoder"](before), networks["encoder"](after)
        memories, passed, coming = [], [], []
        for t in range(len(before)):
            hidden = torch.where(starts[t][:, None], 0.0, hidden)
            memories.append(hidden)
            hidden = networks["trajectory"](first[t], hidden)
            passed.append(hidden)
            coming.append(networks["trajectory"](then[t], hidden))
        visited = torch.cat([first, torch.stack(passed)], -1)
        reached = torch.cat([then, torch.stack(coming)], -1)
        return Passed(visited, reached, torch.stack(memories), hidden)

    def distances(self, visited: torch.Tensor, new: torch.Tensor) -> torch.Tensor:
        """Return squared distances of observations over distances of trajectories, [H, L], for rows [H | L, 2 F]."""
        (seen, past), (now, present) = visited.split(_FEATURES, 1), new.split(_FEATURES, 1)
        exact = "donot_use_mm_for_euclid_dist"  # the faster form is wrong near 0
        observed = torch.cdist(seen, now, compute_mode=exact).square()
        return observed / (torch.cdist(past, present, compute_mode=exact) + _EPSILON)

    def learn(self, seen: Experience, memories: torch.Tensor, fakes: Fakes, epochs: int) -> float:
        """Train with binary cross-entropy, true and false successors weighing the same; return the accuracy.

        The GRU is trained through one step, from the state that was recorded when the step was taken. A fake that
        equals the true successor is left out.
        """
        before, after = (torch.from_numpy(o).flatten(0, 1) for o in (seen.observations, seen.following))
        actions = torch.from_numpy(seen.rollout.actions).flatten()
        memories = memories.flatten(0, 1)
        right, count = 0.0, 0
        for _ in range(epochs):
            for chosen in self.trained.minibatches(len(actions), _MINIBATCH):
                false = torch.from_numpy(fakes.draw(len(chosen)))
                differs = (false != after[chosen]).any(1)
                logits = self._logits(before[chosen], memories[chosen], actions[chosen], after[chosen], false)
                true_loss = functional.softplus(-logits[0]).mean()
                kept = logits[1][differs]
                false_loss = functional.softplus(kept).mean() if len(kept) else 0.0
                self.trained.step((true_loss + false_loss) / 2)
                right += float((logits[0] > 0).sum() + (kept < 0).sum())
                count += len(chosen) + len(kept)
        return right / max(count, 1)

    def _logits(self, before: Any, memories: Any, actions: Any, true: Any, false: Any) -> tuple[Any, Any]:
        """Logits [B] of true and of false successors."""
        networks = self.trained.networks
        passed = networks["trajectory"](networks["encoder"](before), memories)
        taken = functional.one_hot(actions, self._actions).float()
        known = torch.cat([passed, taken], 1)
        return tuple(
            networks["head"](torch.cat([known, networks["encoder"](after)], 1)).squeeze(1) for after in (true, false)
        )  # type: ignore[return-value]

"""What an episode has visited, as embeddings, and the smallest distance of a new observation from it. Loads torch."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch

Distances = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""From visited embeddings [H, F] and new ones [L, F] to distances [H, L]."""


class EpisodicMemory:
    """The embeddings of the running episode of each environment; they are kept as they were computed."""

    def __init__(self, envs: int) -> None:
        self._visited: list[torch.Tensor | None] = [None] * envs

    def smallest(
        self, before: torch.Tensor, after: torch.Tensor, starts: torch.Tensor, distances: Distances
    ) -> torch.Tensor:
        """Return each step's smallest distance from all that its episode visited before, and remember the rollout.

        Args:
            before: Embeddings of the observations before the steps, float32 [T, N, F]. An episode's first is visited.
            after: Embeddings of the observations after the steps, [T, N, F].
            starts: Whether a step begins an episode, bool [T, N].
            distances: The distances of embeddings.

        Returns:
            float32 [T, N].
        """
        found = torch.empty(after.shape[:2])
        for n in range(after.shape[1]):
            first = [0, *(t for t in starts[:, n].nonzero().flatten().tolist() if t > 0), len(after)]
            for begin, end in pairwise(first):
                earlier = self._visited[n]
                if earlier is None or bool(starts[begin, n]):
                    earlier = before[begin, n][None]
                new = after[begin:end, n]
                visited = torch.cat([earlier, new])
                # Row i of the visited ones precedes column k of the new ones if i < len(earlier) + k.
                later = torch.ones(len(visited), len(new), dtype=torch.bool).tril(-len(earlier))
                found[begin:end, n] = distances(visited, new).masked_fill(later, torch.inf).amin(0)
                self._visited[n] = visited
        return found

"""Acting with a policy outside of training: batches of environments, with or without memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray


class Player:
    """Draws the actions of `envs` environments and keeps, between steps, what a recurrent policy remembers of each.

    Actions are drawn with `rng`, so that torch's generator is left alone.
    """

    def __init__(self, policy: Any, envs: int, rng: np.random.Generator, *, greedy: bool = False) -> None:
        self._policy, self._rng, self._greedy = policy, rng, greedy
        self.remembers = hasattr(policy, "lstm_actor")
        self._memory: tuple[torch.Tensor, torch.Tensor] | None = None
        if self.remembers:
            layers, _, width = policy.lstm_hidden_state_shape
            hidden, cell = (torch.zeros((layers, envs, width), device=policy.device) for _ in range(2))
            self._memory = hidden, cell

    def act(self, observations: NDArray[np.float32], playing: NDArray[np.bool_] | None = None) -> NDArray[np.int64]:
        """Actions [K] of the environments named by `playing` [N] (all if None), given their observations [K, D]."""
        with torch.no_grad():
            logits = self._logits(torch.as_tensor(observations, device=self._policy.device), playing).cpu().numpy()
        if not self._greedy:
            logits = logits + self._rng.gumbel(size=logits.shape)
        return logits.argmax(axis=1)

    def restart(self, done: NDArray[np.bool_]) -> None:
        """New episodes begin where `done` [N] says so."""
        if self._memory is not None and done.any():
            for part in self._memory:
                part[:, torch.as_tensor(done)] = 0.0

    def _logits(self, seen: torch.Tensor, playing: NDArray[np.bool_] | None) -> torch.Tensor:
        # The actor's layers directly: SB3's distribution object costs more than they do.
        policy = self._policy
        features = policy.pi_features_extractor(seen)
        if self._memory is not None:
            chosen = slice(None) if playing is None else torch.as_tensor(playing)
            before = tuple(part[:, chosen].contiguous() for part in self._memory)
            hidden, after = policy.lstm_actor(features.unsqueeze(0), before)
            features = hidden.squeeze(0)
            for part, new in zip(self._memory, after, strict=True):
                part[:, chosen] = new
        return policy.action_net(policy.mlp_extractor.forward_actor(features))

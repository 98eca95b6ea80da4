"""Act with a policy outside training, in batches of environments, with or without memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray


class Player:
    """Chooses the actions of N environments, and keeps a recurrent policy's memory of each between steps.

    Attributes:
        remembers: Whether the policy is recurrent.
    """

    def __init__(self, policy: Any, envs: int, rng: np.random.Generator, *, greedy: bool = False) -> None:
        """Start with empty memory.

        Args:
            policy: An SB3 actor-critic policy.
            envs: The number N of environments.
            rng: Draws the actions, so that torch's generator is not used.
            greedy: Whether to take the most probable actions instead.
        """
        self._policy, self._rng, self._greedy = policy, rng, greedy
        self.remembers = hasattr(policy, "lstm_actor")
        self._memory: tuple[torch.Tensor, torch.Tensor] | None = None
        if self.remembers:
            layers, _, width = policy.lstm_hidden_state_shape
            hidden, cell = (torch.zeros((layers, envs, width), device=policy.device) for _ in range(2))
            self._memory = hidden, cell

    def act(self, observations: NDArray[np.float32], playing: NDArray[np.bool_] | None = None) -> NDArray[np.int64]:
        """Return the actions of some environments.

        Args:
            observations: Their observations, float32 [K, D].
            playing: Which environments they are, bool [N] with K true entries; None for all.

        Returns:
            int64 [K].
        """
        with torch.no_grad():
            logits = self._logits(torch.as_tensor(observations, device=self._policy.device), playing).cpu().numpy()
        if not self._greedy:
            logits = logits + self._rng.gumbel(size=logits.shape)
        return logits.argmax(axis=1)

    def restart(self, done: NDArray[np.bool_]) -> None:
        """Empty the memory of the environments where `done` [N] is true."""
        if self._memory is not None and done.any():
            for part in self._memory:
                part[:, torch.as_tensor(done)] = 0.0

    def _logits(self, seen: torch.Tensor, playing: NDArray[np.bool_] | None) -> torch.Tensor:
        # The actor's layers are called directly, because SB3's distribution object takes longer than they do.
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

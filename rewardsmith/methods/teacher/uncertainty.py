"""P_LLM, its uncertainty, and the two ways to compute h; one encoder query per distinct prompt.

    P_LLM = (1/T) sum over T stochastic passes        H = entropy(P_LLM)        h = H / ln |A|   (published)
    I = H(mean of passes) - mean of H(passes)         h = I / ln |A|                             (information)

H of the mean is the predictive uncertainty: two equally short actions raise it even if the model is certain. The mutual
information I (Houlsby et al. 2011) is the disagreement of the passes, the epistemic part of the uncertainty.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from rewardsmith.methods.teacher.prompts import StateDescriber

Gate = Literal["entropy", "information"]

_AT_ONCE = 256  # prompts per encoder batch
_GRAIN = (
    2.0**12
)  # opinions are rounded to multiples of 1 / _GRAIN, so that their last bits do not depend on the batch size


class Encoder(Protocol):
    """The interface of the default encoder and of pretrained models."""

    def encode(self, prompts: Sequence[str]) -> torch.Tensor:
        """Return prompts as numbers, int64 [B, L]."""
        ...

    def __call__(self, words: torch.Tensor) -> torch.Tensor:
        """Return logits [T, B, A] of T stochastic passes."""
        ...


@dataclass(frozen=True)
class Opinion:
    """The action distribution and the uncertainty of the language model for B prompts.

    Attributes:
        probs: P_LLM, float32 [B, A].
        entropy: Entropy of P_LLM divided by ln A, in [0, 1], [B].
        information: Mutual information divided by ln A, in [0, 1], [B].
    """

    probs: NDArray[np.float32]
    entropy: NDArray[np.float32]
    information: NDArray[np.float32]

    def gate(self, kind: Gate) -> NDArray[np.float32]:
        """Return the mixing coefficient h in [0, 1], [B]: the weight of pi in the blend."""
        return self.entropy if kind == "entropy" else self.information


def entropy(probs: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return the Shannon entropy over the last axis, in nats; 0 ln 0 = 0."""
    return -(probs * np.log(np.maximum(probs, 1e-30))).sum(axis=-1)


def opinion_of(passes: NDArray[np.float64]) -> Opinion:
    """Return mean, predictive entropy and mutual information of the passes' probabilities, float64 [T, B, A]."""
    mean = passes.mean(axis=0)
    total = entropy(mean)
    parts = np.round(np.stack([total, total - entropy(passes).mean(axis=0)]) * _GRAIN) / _GRAIN
    shares = np.clip(parts / math.log(passes.shape[-1]), 0.0, 1.0).astype(np.float32)
    mean = np.round(mean * _GRAIN)
    return Opinion((mean / mean.sum(axis=-1, keepdims=True)).astype(np.float32), shares[0], shares[1])


def ask_encoder(model: Encoder, prompts: Sequence[str]) -> Opinion:
    """Return the model's opinion on each prompt; the passes of a batch are computed together."""
    found: list[Opinion] = []
    with torch.no_grad():
        for first in range(0, len(prompts), _AT_ONCE):
            words = model.encode(prompts[first : first + _AT_ONCE])
            found.append(opinion_of(torch.softmax(model(words).double(), -1).numpy()))
    return Opinion(*(np.concatenate([getattr(o, n) for o in found]) for n in ("probs", "entropy", "information")))


class CachedOpinions:
    """Caches opinions by prompt, and by the keys of describers. The cache is cleared after `most` keys.

    Args:
        model: The language model.
        actions: Number of actions.
        most: Largest number of cached keys.
    """

    def __init__(self, model: Encoder, actions: int, most: int = 500_000) -> None:
        self._model, self._most = model, most
        self._by_key: dict[int, int] = {}
        self._by_prompt: dict[str, int] = {}
        self._values = np.zeros((4096, actions + 2), np.float32)
        self.states = self.prompts = 0  # asked about; read by the encoder

    def of(self, describer: StateDescriber, keys: Sequence[bytes]) -> Opinion:
        """Return opinions on the states of the last `look` of `describer`, one per key."""
        # A 64-bit hash of the key: among half a million of them a collision has probability 1e-8.
        hashes = [hash(key) for key in keys]
        if len(self._by_key) > self._most:
            self._by_key.clear()
            self._by_prompt.clear()
        unknown = {h: n for n, h in enumerate(hashes) if h not in self._by_key}
        if unknown:
            self._learn({h: describer.words(n) for h, n in unknown.items()})
        self.states += len(keys)
        found = self._values[[self._by_key[h] for h in hashes]]
        return Opinion(found[:, :-2], found[:, -2], found[:, -1])

    def _learn(self, described: dict[int, str]) -> None:
        new = [prompt for prompt in dict.fromkeys(described.values()) if prompt not in self._by_prompt]
        if new:
            first = len(self._by_prompt)
            while first + len(new) > len(self._values):
                self._values = np.concatenate([self._values, np.zeros_like(self._values)])
            opinion = ask_encoder(self._model, new)
            rows = slice(first, first + len(new))
            self._values[rows] = np.column_stack([opinion.probs, opinion.entropy, opinion.information])
            self._by_prompt.update((prompt, first + i) for i, prompt in enumerate(new))
            self.prompts += len(new)
        self._by_key.update((key, self._by_prompt[prompt]) for key, prompt in described.items())

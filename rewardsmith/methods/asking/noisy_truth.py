"""A language model's answers in training, simulated: the simulator's truth, with errors at given rates."""

from __future__ import annotations

import numpy as np


class NoisyTruth:
    """The truth about a description, as bits, some of them wrong.

    bits: how many; bit g of a truth is set if statement g is true. false_positive: share of the descriptions without
    any true statement of which one is called true. false_negative: share of the true statements that are missed.
    An error belongs to a description, not to an occurrence: the same words are always answered the same.
    """

    def __init__(self, bits: int, false_positive: float = 0.0, false_negative: float = 0.0, seed: int = 0) -> None:
        self._bits, self._rates, self._seed = bits, (false_positive, false_negative), seed

    def of(self, key: int, truth: int) -> int:
        """What is said of the description `key`, of which `truth` is true."""
        draw = np.random.default_rng([self._seed, key & (2**64 - 1)]).random(self._bits + 2)
        positive, negative = self._rates
        if truth == 0:
            flagged = draw[0] < positive and self._bits > 0
            return 1 << int(draw[1] * self._bits) if flagged else 0
        return sum(1 << g for g in range(self._bits) if truth >> g & 1 and draw[2 + g] >= negative)

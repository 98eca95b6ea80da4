"""Oracle in place of a language model during training: the simulator's truth, with errors at given rates."""

from __future__ import annotations

import numpy as np


class NoisyTruth:
    """The truth about a description as bits, with random errors.

    Errors are drawn once per distinct description, by hash, so a repeated description always gets the same answer.

    Args:
        bits: Number of statements; bit g is set if statement g is true.
        false_positive: Probability in [0, 1] that a description without a true statement gets one.
        false_negative: Probability in [0, 1] that a true statement is missed.
        seed: Seed of the errors.
    """

    def __init__(self, bits: int, false_positive: float = 0.0, false_negative: float = 0.0, seed: int = 0) -> None:
        self._bits, self._rates, self._seed = bits, (false_positive, false_negative), seed

    def of(self, key: int, truth: int) -> int:
        """Return the answer about the description `key`, as bits, given the true bits `truth`."""
        draw = np.random.default_rng([self._seed, key & (2**64 - 1)]).random(self._bits + 2)
        positive, negative = self._rates
        if truth == 0:
            flagged = draw[0] < positive and self._bits > 0
            return 1 << int(draw[1] * self._bits) if flagged else 0
        return sum(1 << g for g in range(self._bits) if truth >> g & 1 and draw[2 + g] >= negative)

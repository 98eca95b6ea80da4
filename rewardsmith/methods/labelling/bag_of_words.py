"""Bag-of-words features of captions, hashed: the input of ONI's learned reward models."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import pairwise
from zlib import crc32

import numpy as np
import torch
from numpy.typing import NDArray

BUCKETS = 2048


def buckets_of(text: str) -> list[int]:
    """Return the hashes of a caption's words and word pairs, each in [0, BUCKETS)."""
    words = ["", *re.findall(r"\w+", text)]
    pairs = [f"{a} {b}" for a, b in pairwise(words)]
    return [crc32(word.encode()) % BUCKETS for word in (*words, *pairs)]


class BagOfWords:
    """Features of all captions so far. Each caption is hashed once and then identified by its row."""

    def __init__(self) -> None:
        self._rows: dict[str, int] = {}
        self._buckets = np.zeros((256, 64), np.int32)
        self._lengths = np.zeros(256, np.int32)

    def rows(self, texts: Iterable[str]) -> NDArray[np.int64]:
        """Return the rows [M] of M captions; new captions are added."""
        return np.array([self._rows[t] if t in self._rows else self._add(t) for t in texts], np.int64)

    def _add(self, text: str) -> int:
        row, buckets = len(self._rows), buckets_of(text)
        tall, wide = self._buckets.shape
        if row >= tall or len(buckets) > wide:
            more = 0 if row < tall else tall
            self._buckets = np.pad(self._buckets, ((0, more), (0, max(0, len(buckets) - wide))))
            self._lengths = np.pad(self._lengths, (0, more))
        self._buckets[row, : len(buckets)], self._lengths[row] = buckets, len(buckets)
        self._rows[text] = row
        return row

    def shares(self, rows: NDArray[np.int64]) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the features of M captions as (used, shares).

        The captions of a task have few distinct words: a product with C columns takes a quarter of the time of an
        EmbeddingBag and its gradient.

        Returns:
            used: The buckets that occur, int64 [C].
            shares: The proportion of each caption in each of these buckets, float32 [M, C]; rows sum to 1.
        """
        lengths = self._lengths[rows]
        buckets = self._buckets[rows, : int(lengths.max(initial=1))]
        filled = np.arange(buckets.shape[1]) < lengths[:, None]
        used = np.flatnonzero(np.bincount(buckets[filled], minlength=BUCKETS))
        column = np.zeros(BUCKETS, np.int64)
        column[used] = np.arange(len(used))
        places = (np.arange(len(rows))[:, None] * len(used) + column[buckets])[filled]
        weights = np.broadcast_to((1.0 / lengths)[:, None], buckets.shape)[filled]
        shares = np.bincount(places, weights, len(rows) * len(used)).reshape(len(rows), len(used))
        return torch.from_numpy(used), torch.from_numpy(shares.astype(np.float32))

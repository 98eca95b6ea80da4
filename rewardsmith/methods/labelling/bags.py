"""Captions as bags of hashed words: what the learned reward models of ONI read."""

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
    """Of a caption's words and of neighbouring ones, each in [0, BUCKETS)."""
    words = ["", *re.findall(r"\w+", text)]
    pairs = [f"{a} {b}" for a, b in pairwise(words)]
    return [crc32(word.encode()) % BUCKETS for word in (*words, *pairs)]


class Bags:
    """Captions met so far; each is hashed once and known by its row from then on."""

    def __init__(self) -> None:
        self._rows: dict[str, int] = {}
        self._buckets = np.zeros((256, 64), np.int32)
        self._lengths = np.zeros(256, np.int32)

    def rows(self, texts: Iterable[str]) -> NDArray[np.int64]:
        """The rows [M] of M captions, new ones added."""
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
        """(used, shares): the buckets that M captions have, int64 [C], and how much of each caption falls into each
        of them, float32 [M, C], rows summing to 1.

        Captions of a task have few words: a product with C columns costs a quarter of an EmbeddingBag and its gradient.
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

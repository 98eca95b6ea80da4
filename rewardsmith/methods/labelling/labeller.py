"""ONI's labeller, which says which captions are helpful: a language model, or a simulated one that reads the
simulator's truth and says so."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from typing import Protocol
from zlib import crc32

import numpy as np

from rewardsmith.agents.models import LABELLER, LanguageModel, ReplayKey, Request
from rewardsmith.agents.prompting import render
from rewardsmith.methods.asking.noisy_truth import NoisyTruth
from rewardsmith.methods.labelling.labels import Caption

_TOKENS = 200
"""Of an answer, per caption asked about."""


class Labeller(Protocol):
    """Whoever labels. Called from an Asker's threads; may take as long as it likes.

    Raises BudgetSpent or ModelFailed when no labels can be had. calls: requests to a language model so far.
    """

    calls: int

    def label(self, captions: Sequence[Caption]) -> list[float]:
        """1.0 = helpful, 0.0 = not, for each."""
        ...

    def compare(self, pairs: Sequence[tuple[Caption, Caption]]) -> list[float]:
        """1.0 = the first is the more helpful, 0.0 = the second, 0.5 = neither, for each pair."""
        ...


class SimulatedLabeller:
    """Not a language model: labels by planner-derived progress, with errors.

    latency: seconds per batch. Results with it are `oracle-informed`.
    """

    calls = 0

    def __init__(self, false_positive: float, false_negative: float, latency: float, seed: int) -> None:
        self._truth = NoisyTruth(1, false_positive, false_negative, seed)
        self._latency = latency

    def opinion(self, caption: Caption) -> float:
        """1.0 or 0.0; the same for the same caption."""
        return float(self._truth.of(caption.key, int(caption.progress)))

    def label(self, captions: Sequence[Caption]) -> list[float]:
        time.sleep(self._latency)
        return [self.opinion(caption) for caption in captions]

    def compare(self, pairs: Sequence[tuple[Caption, Caption]]) -> list[float]:
        time.sleep(self._latency)
        return [0.5 + (self.opinion(a) - self.opinion(b)) / 2 for a, b in pairs]


class ShuffledLabeller:
    """A control: the labels of another labeller, dealt out at random within each batch."""

    calls = 0

    def __init__(self, inner: Labeller, seed: int) -> None:
        self._inner, self._rng = inner, np.random.default_rng(seed)

    def label(self, captions: Sequence[Caption]) -> list[float]:
        return self._dealt(self._inner.label(captions))

    def compare(self, pairs: Sequence[tuple[Caption, Caption]]) -> list[float]:
        return self._dealt(self._inner.compare(pairs))

    def _dealt(self, values: list[float]) -> list[float]:
        return [values[i] for i in self._rng.permutation(len(values))]


class ModelLabeller:
    """A language model, asked about `per_call` captions in one request.

    As in ONI it is to recall what it knows of such tasks, to write one sentence of analysis, then one of two neutral
    words; what cannot be read counts as not helpful, or as neither.
    """

    def __init__(self, model: LanguageModel, goal: str, per_call: int) -> None:
        self._model, self._goal, self._per_call = model, goal, per_call
        self.calls = 0

    def label(self, captions: Sequence[Caption]) -> list[float]:
        return [float(word == "ALPHA") for word in self._ask([[c.text] for c in captions])]

    def compare(self, pairs: Sequence[tuple[Caption, Caption]]) -> list[float]:
        values = {"FIRST": 1.0, "SECOND": 0.0}
        return [values.get(word, 0.5) for word in self._ask([[a.text, b.text] for a, b in pairs])]

    def _ask(self, entries: list[list[str]]) -> list[str]:
        words: list[str] = []
        for first in range(0, len(entries), self._per_call):
            asked = entries[first : first + self._per_call]
            prompt = render("labeller.md.j2", goal=self._goal, entries=asked)
            # The key follows from what is asked, not from when: what was answered before an interruption is found.
            key = ReplayKey(LABELLER, 0, crc32(prompt.encode()) & 0x7FFFFFFF)
            answer = self._model.complete(Request(LABELLER, prompt, "", key, _TOKENS * len(asked), temperature=0.1))
            self.calls += 1
            words += read_words(answer.text if answer.completed else "", len(asked))
        return words


# The number's marks stay on its line: from every line on, one look ahead over all blank lines would be quadratic.
_ANSWER = re.compile(r"^[^\w\n]*(\d{1,6})\W.*?\b(ALPHA|BETA|FIRST|SECOND|TIE)\b\W*$", re.MULTILINE)


def read_words(text: str, count: int) -> list[str]:
    """The word of each numbered line of an answer; "" where there is none."""
    found = {int(number): word for number, word in _ANSWER.findall(text)}
    return [found.get(number, "") for number in range(1, count + 1)]

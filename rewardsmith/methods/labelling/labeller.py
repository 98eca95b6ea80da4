"""ONI's labellers, which decide which captions are helpful: a language model, or an oracle that reads the simulator's
truth."""

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
"""Upper bound of an answer, per caption of the request."""


class Labeller(Protocol):
    """Labels captions. Called from an Asker's threads; may block.

    Its methods raise BudgetSpent or ModelFailed if no labels are available.

    Attributes:
        calls: Requests to a language model so far.
    """

    calls: int

    def label(self, captions: Sequence[Caption]) -> list[float]:
        """Return for each caption 1.0 if it is helpful, else 0.0."""
        ...

    def compare(self, pairs: Sequence[tuple[Caption, Caption]]) -> list[float]:
        """Return for each pair 1.0 if the first is more helpful, 0.0 if the second is, 0.5 if neither is."""
        ...


class SimulatedLabeller:
    """Oracle labeller: labels by progress according to the planner, with errors. Results are `oracle-informed`.

    Args:
        false_positive: Probability in [0, 1] that an unhelpful caption is labelled helpful.
        false_negative: Probability in [0, 1] that a helpful caption is labelled unhelpful.
        latency: Seconds per batch.
        seed: Seed of the errors.
    """

    calls = 0

    def __init__(self, false_positive: float, false_negative: float, latency: float, seed: int) -> None:
        self._truth = NoisyTruth(1, false_positive, false_negative, seed)
        self._latency = latency

    def opinion(self, caption: Caption) -> float:
        """Return 1.0 or 0.0; always the same for the same caption."""
        return float(self._truth.of(caption.key, int(caption.progress)))

    def label(self, captions: Sequence[Caption]) -> list[float]:
        time.sleep(self._latency)
        return [self.opinion(caption) for caption in captions]

    def compare(self, pairs: Sequence[tuple[Caption, Caption]]) -> list[float]:
        time.sleep(self._latency)
        return [0.5 + (self.opinion(a) - self.opinion(b)) / 2 for a, b in pairs]


class ShuffledLabeller:
    """A control condition: permutes the labels of another labeller within each batch."""

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
    """Labels captions with a language model, `per_call` captions per request.

    As in ONI, the prompt asks the model to recall what it knows about such tasks, to write one sentence of analysis,
    and to end with one of two neutral words. An unreadable line counts as not helpful, or as a tie.

    Args:
        model: The language model.
        goal: The goal of the task in words.
        per_call: Captions per request.
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
            # The key depends on the prompt, not on the time, so that answers from before an interruption are found.
            key = ReplayKey(LABELLER, 0, crc32(prompt.encode()) & 0x7FFFFFFF)
            answer = self._model.complete(Request(LABELLER, prompt, "", key, _TOKENS * len(asked), temperature=0.1))
            self.calls += 1
            words += read_words(answer.text if answer.completed else "", len(asked))
        return words


# The marks before the number must not match newlines: a scan over all blank lines from every line would be quadratic.
_ANSWER = re.compile(r"^[^\w\n]*(\d{1,6})\W.*?\b(ALPHA|BETA|FIRST|SECOND|TIE)\b\W*$", re.MULTILINE)


def read_words(text: str, count: int) -> list[str]:
    """Return the last word of each numbered line of an answer; "" for a missing line."""
    found = {int(number): word for number, word in _ANSWER.findall(text)}
    return [found.get(number, "") for number in range(1, count + 1)]

"""Who labels captions: a language model, or a built-in stand-in that reads the simulator's truth and says so."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from zlib import crc32

import numpy as np

from rewardsmith.agents.models import LanguageModel, ReplayKey, Request
from rewardsmith.agents.prompting import render
from rewardsmith.methods.asking.verifier import StandInJudge
from rewardsmith.methods.labelling.annotator import Caption, Judge

_TOKENS = 200
"""Of an answer, per caption asked about."""


class StandIn:
    """Not a language model: labels by planner-derived progress, with the errors of CALM's stand-in.

    latency: seconds per batch. Results with it are `oracle-informed`.
    """

    calls = 0

    def __init__(self, false_positive: float, false_negative: float, latency: float, seed: int) -> None:
        self._inner = StandInJudge(1, false_positive, false_negative, seed=seed)
        self._latency = latency

    def opinion(self, caption: Caption) -> float:
        """1.0 or 0.0; the same for the same caption."""
        return float(self._inner.verdict(caption.key, int(caption.progress)))

    def label(self, captions: Sequence[Caption]) -> list[float]:
        time.sleep(self._latency)
        return [self.opinion(caption) for caption in captions]

    def compare(self, pairs: Sequence[tuple[Caption, Caption]]) -> list[float]:
        time.sleep(self._latency)
        return [0.5 + (self.opinion(a) - self.opinion(b)) / 2 for a, b in pairs]


class Shuffled:
    """A control: the labels of another judge, dealt out at random within each batch."""

    calls = 0

    def __init__(self, inner: Judge, seed: int) -> None:
        self._inner, self._rng = inner, np.random.default_rng(seed)

    def label(self, captions: Sequence[Caption]) -> list[float]:
        return self._dealt(self._inner.label(captions))

    def compare(self, pairs: Sequence[tuple[Caption, Caption]]) -> list[float]:
        return self._dealt(self._inner.compare(pairs))

    def _dealt(self, values: list[float]) -> list[float]:
        return [values[i] for i in self._rng.permutation(len(values))]


class ModelJudge:
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
            prompt = render("annotator.md.j2", goal=self._goal, entries=asked)
            # The key follows from what is asked, not from when: what was answered before an interruption is found.
            key = ReplayKey("annotator", 0, crc32(prompt.encode()) & 0x7FFFFFFF)
            answer = self._model.complete(Request("annotator", prompt, "", key, _TOKENS * len(asked), temperature=0.1))
            self.calls += 1
            words += read_words(answer.text if answer.completed else "", len(asked))
        return words


# The number's marks stay on its line: from every line on, one look ahead over all blank lines would be quadratic.
_ANSWER = re.compile(r"^[^\w\n]*(\d{1,6})\W.*?\b(ALPHA|BETA|FIRST|SECOND|TIE)\b\W*$", re.MULTILINE)


def read_words(text: str, count: int) -> list[str]:
    """The word of each numbered line of an answer; "" where there is none."""
    found = {int(number): word for number, word in _ANSWER.findall(text)}
    return [found.get(number, "") for number in range(1, count + 1)]

"""Who labels transitions for CALM: a language model, asked by threads while training goes on, or a stand-in.

Training never waits: it submits questions, collects the verdicts that have arrived, and uses them from then on.
A verdict is a bit per subgoal: bit g is set if subgoal g was terminated.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import RootModel

from rewardsmith.agents.asking import Draft, Limits, ask
from rewardsmith.agents.models import LanguageModel, ReplayKey
from rewardsmith.agents.prompting import render
from rewardsmith.errors import RewardsmithError
from rewardsmith.programs.reading import read_json

_STACK = 10_000  # questions that wait at most; the oldest are forgotten, and asked again when they are seen again
_THREADS = 4
_LIMITS = Limits(prompt=8_000, answer=1_024)


@dataclass(frozen=True)
class Question:
    """One transition to be judged. key: of its description; words: writes it; truth: the simulator's verdict, which
    only a stand-in reads."""

    key: int
    words: Callable[[], str]
    truth: int = 0


class Judge(Protocol):
    """Labels transitions in the background. asked: how many so far."""

    asked: int

    def submit(self, questions: Sequence[Question]) -> None:
        """Ask about transitions, the oldest first; returns at once."""
        ...

    def collect(self) -> dict[int, int]:
        """Verdicts by key that arrived since the last call."""
        ...

    def telemetry(self) -> dict[str, Any]:
        """What is under way, and what went wrong."""
        ...

    def close(self) -> None:
        """End threads; what is under way is not waited for."""
        ...


class StandInJudge:
    """Judges by the simulator's truth, with errors: the built-in stand-in, and the test of robustness.

    false_positive: share of descriptions without a terminated subgoal for which some subgoal is flagged.
    false_negative: share of terminated subgoals that are missed. An error belongs to a description, not to an
    occurrence: the same words are always judged the same. latency: seconds before a verdict arrives.
    """

    def __init__(
        self,
        subgoals: int,
        false_positive: float = 0.0,
        false_negative: float = 0.0,
        latency: float = 0.0,
        seed: int = 0,
    ) -> None:
        self._count, self._rates = subgoals, (false_positive, false_negative)
        self._latency, self._seed = latency, seed
        self._waiting: list[tuple[float, int, int]] = []
        self.asked = 0

    def verdict(self, key: int, truth: int) -> int:
        """The verdict on a description, always the same."""
        draw = np.random.default_rng([self._seed, key & (2**64 - 1)]).random(self._count + 2)
        positive, negative = self._rates
        if truth == 0:
            flagged = draw[0] < positive and self._count > 0
            return 1 << int(draw[1] * self._count) if flagged else 0
        return sum(1 << g for g in range(self._count) if truth >> g & 1 and draw[2 + g] >= negative)

    def submit(self, questions: Sequence[Question]) -> None:
        """Ready once the latency has passed."""
        self.asked += len(questions)
        ready = time.monotonic() + self._latency
        self._waiting += [(ready, q.key, self.verdict(q.key, q.truth)) for q in questions]

    def collect(self) -> dict[int, int]:
        """Those whose time has come."""
        now = time.monotonic()
        arrived = {key: verdict for ready, key, verdict in self._waiting if ready <= now}
        self._waiting = [entry for entry in self._waiting if entry[0] > now]
        return arrived

    def telemetry(self) -> dict[str, Any]:
        """How many wait."""
        return {"waiting": len(self._waiting)}

    def close(self) -> None:
        """Nothing runs."""


class Flags(RootModel[dict[str, bool]]):
    """The judge's answer: {subgoal: terminated}."""


def judge_prompt(goal: str, legend: str, subgoals: dict[str, str], transition: str) -> str:
    """The prompt about one transition (Pignatelli et al., arXiv 2409.12798, appendix: role, symbols, task, subgoals,
    instruction, remark, transition, output format)."""
    return render("judge.md.j2", goal=goal, legend=legend, subgoals=subgoals, transition=transition)


def ask_judge(model: LanguageModel, key: ReplayKey, prompt: str, names: Sequence[str]) -> int | None:
    """A model's verdict on one transition, 0 if its answer cannot be read; None if the budget is spent.

    Raises ModelFailed.
    """
    outcome = ask(model, key, Draft(lambda _: prompt), lambda text: read_json(text, Flags), _LIMITS)
    if outcome.result is None:
        return 0 if outcome.answered else None
    flags = outcome.result.root
    return sum(1 << g for g, name in enumerate(names) if flags.get(name, False))


class ModelJudge:
    """Asks a language model about the newest transitions first, each once, from a few threads."""

    def __init__(
        self,
        model: LanguageModel,
        prompt: Callable[[str], str],
        names: Sequence[str],
        log: Callable[[dict[str, Any]], None] = lambda entry: None,
    ) -> None:
        self._model, self._prompt, self._names, self._log = model, prompt, list(names), log
        self._lock = threading.Condition()
        self._stack: list[Question] = []
        self._under_way: set[int] = set()
        self._arrived: dict[int, int] = {}
        self.asked = 0
        self.stopped: str | None = None
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(_THREADS)]
        for thread in self._threads:
            thread.start()

    def submit(self, questions: Sequence[Question]) -> None:
        """Onto the stack, the newest on top, those waiting or under way left out."""
        with self._lock:
            newest = {q.key: q for q in questions if q.key not in self._under_way}
            self._stack = [q for q in self._stack if q.key not in newest] + list(newest.values())
            del self._stack[:-_STACK]
            self._lock.notify_all()

    def collect(self) -> dict[int, int]:
        """Verdicts that have come in."""
        with self._lock:
            arrived, self._arrived = self._arrived, {}
        return arrived

    def telemetry(self) -> dict[str, Any]:
        """Questions that wait, those asked so far, and why no more are asked."""
        with self._lock:
            told: dict[str, Any] = {"waiting": len(self._stack), "asked": self.asked}
            return told | ({"stopped": self.stopped} if self.stopped else {})

    def close(self) -> None:
        """Let the threads end after the answers they wait for."""
        self._stop("the trial has ended")

    def _stop(self, why: str) -> None:
        with self._lock:
            self.stopped = self.stopped or why
            self._lock.notify_all()

    def _next(self) -> Question | None:
        with self._lock:
            while not self._stack and self.stopped is None:
                self._lock.wait()
            if self.stopped is not None:
                return None
            question = self._stack.pop()
            self._under_way.add(question.key)
            self.asked += 1
            return question

    def _work(self) -> None:
        while (question := self._next()) is not None:
            words, began = question.words(), time.monotonic()
            try:
                # The key follows from the description, not from when it was asked: trials of one candidate share
                # answers through the ledger, and a recording finds them again.
                key = ReplayKey("judge", 0, question.key & 0x7FFFFFFF)
                verdict = ask_judge(self._model, key, self._prompt(words), self._names)
            except RewardsmithError as error:
                self._stop(error.cause)
                return
            if verdict is None:
                self._stop("the budget for language-model calls is spent")
                return
            with self._lock:
                self._arrived[question.key] = verdict
                self._under_way.discard(question.key)
            seconds = round(time.monotonic() - began, 3)
            self._log({"key": question.key, "transition": words, "verdict": verdict, "seconds": seconds})


def bits(flags: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Verdicts int64 [...] of flags bool [..., G]."""
    return (flags.astype(np.int64) << np.arange(flags.shape[-1])).sum(-1)

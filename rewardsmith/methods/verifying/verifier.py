"""CALM's verifier, which says which transitions terminate a subgoal: a language model, asked by threads while training
goes on, or a simulated one.

Training never waits: it submits questions, collects the verdicts that have arrived, and uses them from then on.
A verdict is a bit per subgoal: bit g is set if subgoal g was terminated.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import RootModel

from rewardsmith.agents.asking import Draft, Limits, ask
from rewardsmith.agents.models import VERIFIER, LanguageModel, ReplayKey
from rewardsmith.agents.prompting import render
from rewardsmith.errors import BudgetSpent
from rewardsmith.methods.asking.asker import Asker
from rewardsmith.methods.asking.noisy_truth import NoisyTruth
from rewardsmith.programs.reading import read_json

_THREADS = 4
_LIMITS = Limits(prompt=8_000, answer=1_024)


@dataclass(frozen=True)
class TransitionQuestion:
    """One transition to be verified. key: of its description; words: writes it; truth: the simulator's verdict, which
    only a simulated verifier reads."""

    key: int
    words: Callable[[], str]
    truth: int = 0


class Verifier(Protocol):
    """Says in the background which transitions terminate a subgoal."""

    @property
    def asked(self) -> int:
        """Transitions asked about so far."""
        ...

    def resume(self, asked: int) -> None:
        """Go on counting from `asked`: a resumed trial had asked about so many."""
        ...

    def submit(self, questions: Sequence[TransitionQuestion]) -> None:
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


class SimulatedVerifier:
    """Not a language model: the simulator's truth, with errors. Also the test of robustness to a model's errors.

    latency: seconds before a verdict arrives.
    """

    def __init__(self, truth: NoisyTruth, latency: float = 0.0) -> None:
        self._truth, self._latency = truth, latency
        self._waiting: list[tuple[float, int, int]] = []
        self.asked = 0

    def resume(self, asked: int) -> None:
        """Go on counting."""
        self.asked = asked

    def submit(self, questions: Sequence[TransitionQuestion]) -> None:
        """Ready once the latency has passed."""
        self.asked += len(questions)
        ready = time.monotonic() + self._latency
        self._waiting += [(ready, q.key, self._truth.of(q.key, q.truth)) for q in questions]

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
    """The verifier's answer: {subgoal: terminated}."""


def verifier_prompt(goal: str, legend: str, subgoals: dict[str, str], transition: str) -> str:
    """The prompt about one transition (Pignatelli et al., arXiv 2409.12798, appendix: role, symbols, task, subgoals,
    instruction, remark, transition, output format)."""
    return render("verifier.md.j2", goal=goal, legend=legend, subgoals=subgoals, transition=transition)


def ask_verifier(model: LanguageModel, key: ReplayKey, prompt: str, names: Sequence[str]) -> int | None:
    """A model's verdict on one transition, 0 if its answer cannot be read; None if the budget is spent.

    Raises ModelFailed.
    """
    outcome = ask(model, key, Draft(lambda _: prompt), lambda text: read_json(text, Flags), _LIMITS)
    if outcome.result is None:
        return 0 if outcome.answered else None
    flags = outcome.result.root
    return sum(1 << g for g, name in enumerate(names) if flags.get(name, False))


class ModelVerifier:
    """Asks a language model about the newest transitions first, each once, from a few threads."""

    def __init__(
        self,
        model: LanguageModel,
        prompt: Callable[[str], str],
        names: Sequence[str],
        log: Callable[[dict[str, Any]], None] = lambda entry: None,
    ) -> None:
        self._model, self._prompt, self._names, self._log = model, prompt, list(names), log
        self._asker: Asker[TransitionQuestion, tuple[int, int]] = Asker(self._answer, threads=_THREADS)

    @property
    def asked(self) -> int:
        """Transitions asked about so far."""
        return self._asker.asked

    def resume(self, asked: int) -> None:
        """Go on counting."""
        self._asker.asked = asked

    def submit(self, questions: Sequence[TransitionQuestion]) -> None:
        """Onto the stack, the newest on top, those answered or under way left out."""
        self._asker.offer(questions)

    def collect(self) -> dict[int, int]:
        """Verdicts that have come in."""
        return dict(self._asker.collect())

    def telemetry(self) -> dict[str, Any]:
        """Questions that wait, those asked so far, and why no more are asked."""
        told: dict[str, Any] = {"waiting": self._asker.waiting, "asked": self.asked}
        failure = self._asker.failure
        return told | ({"stopped": failure.cause} if failure is not None else {})

    def close(self) -> None:
        """Let the threads end after the answers they wait for."""
        self._asker.close()

    def _answer(self, taken: Sequence[tuple[TransitionQuestion, float]]) -> list[tuple[int, int]]:
        """(key, verdict) of each question. Raises BudgetSpent, ModelFailed, LostItem."""
        return [(question.key, self._verdict(question)) for question, _ in taken]

    def _verdict(self, question: TransitionQuestion) -> int:
        words, began = question.words(), time.monotonic()
        # The key follows from the description, not from when it was asked: trials of one candidate share answers
        # through the ledger, and a recording finds them again.
        key = ReplayKey(VERIFIER, 0, question.key & 0x7FFFFFFF)
        verdict = ask_verifier(self._model, key, self._prompt(words), self._names)
        if verdict is None:
            raise BudgetSpent("the budget for language-model calls is spent", "Raise the job's limits.")
        seconds = round(time.monotonic() - began, 3)
        self._log({"key": question.key, "transition": words, "verdict": verdict, "seconds": seconds})
        return verdict


def bits(flags: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Verdicts int64 [...] of flags bool [..., G]."""
    return (flags.astype(np.int64) << np.arange(flags.shape[-1])).sum(-1)

"""CALM's verifiers, which decide which transitions terminate a subgoal: a language model, or an oracle.

Training never waits. It submits questions, collects the verdicts that have arrived, and uses them from then on. A
verdict is an int with one bit per subgoal: bit g is set if subgoal g was terminated.
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
    """One transition to verify.

    Attributes:
        key: 64-bit hash of the description.
        words: Returns the description.
        truth: The simulator's verdict, for the oracle verifier only.
    """

    key: int
    words: Callable[[], str]
    truth: int = 0


class Verifier(Protocol):
    """Decides in the background which transitions terminate a subgoal. No call blocks."""

    @property
    def asked(self) -> int:
        """The number of transitions asked about so far."""
        ...

    def resume(self, asked: int) -> None:
        """Set the number of transitions asked about, when a trial is resumed."""
        ...

    def submit(self, questions: Sequence[TransitionQuestion]) -> None:
        """Ask about transitions, given in time order."""
        ...

    def collect(self) -> dict[int, int]:
        """Return the verdicts, by key, that have arrived since the last call."""
        ...

    def telemetry(self) -> dict[str, Any]:
        """Counts of questions, and the error that stopped the verifier, if any."""
        ...

    def close(self) -> None:
        """Stop the threads without waiting for verdicts in progress."""
        ...


class SimulatedVerifier:
    """Oracle verifier: the simulator's truth with errors; serves to measure robustness to a model's errors.

    Args:
        truth: The truth, with its error rates.
        latency: Seconds before a verdict arrives.
    """

    def __init__(self, truth: NoisyTruth, latency: float = 0.0) -> None:
        self._truth, self._latency = truth, latency
        self._waiting: list[tuple[float, int, int]] = []
        self.asked = 0

    def resume(self, asked: int) -> None:
        """Set the number of transitions asked about."""
        self.asked = asked

    def submit(self, questions: Sequence[TransitionQuestion]) -> None:
        """Compute the verdicts, which arrive after the latency."""
        self.asked += len(questions)
        ready = time.monotonic() + self._latency
        self._waiting += [(ready, q.key, self._truth.of(q.key, q.truth)) for q in questions]

    def collect(self) -> dict[int, int]:
        """Return the verdicts whose latency has passed."""
        now = time.monotonic()
        arrived = {key: verdict for ready, key, verdict in self._waiting if ready <= now}
        self._waiting = [entry for entry in self._waiting if entry[0] > now]
        return arrived

    def telemetry(self) -> dict[str, Any]:
        """The number of verdicts that have not arrived."""
        return {"waiting": len(self._waiting)}

    def close(self) -> None:
        """Do nothing: there are no threads."""


class Flags(RootModel[dict[str, bool]]):
    """The answer of a language model as verifier: {subgoal: terminated}."""


def verifier_prompt(goal: str, legend: str, subgoals: dict[str, str], transition: str) -> str:
    """Return the prompt about one transition, with the blocks of Pignatelli et al. (arXiv 2409.12798, appendix).

    The blocks are role, symbols, task, subgoals, instruction, remark, transition and output format.

    Args:
        goal: The goal of the task in words.
        legend: Meaning of the symbols of a drawn view; "" for captions.
        subgoals: Sentences by name of the subgoal.
        transition: The transition in words.
    """
    return render("verifier.md.j2", goal=goal, legend=legend, subgoals=subgoals, transition=transition)


def ask_verifier(model: LanguageModel, key: ReplayKey, prompt: str, names: Sequence[str]) -> int | None:
    """Return a model's verdict on one transition.

    Returns:
        One bit per subgoal; 0 if the answer is unreadable; None if the budget is spent.

    Raises:
        ModelFailed: The model gave no answer.
    """
    outcome = ask(model, key, Draft(lambda _: prompt), lambda text: read_json(text, Flags), _LIMITS)
    if outcome.result is None:
        return 0 if outcome.answered else None
    flags = outcome.result.root
    return sum(1 << g for g, name in enumerate(names) if flags.get(name, False))


class ModelVerifier:
    """Asks a language model in threads, the newest transitions first, each once.

    Args:
        model: The language model.
        prompt: Returns the prompt for a transition in words.
        names: Names of the subgoals.
        log: Receives a record of each verdict.
    """

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
        """The number of transitions asked about so far."""
        return self._asker.asked

    def resume(self, asked: int) -> None:
        """Set the number of transitions asked about."""
        self._asker.asked = asked

    def submit(self, questions: Sequence[TransitionQuestion]) -> None:
        """Put transitions on the stack, the newest on top; skip those answered or in progress."""
        self._asker.offer(questions)

    def collect(self) -> dict[int, int]:
        """Return the verdicts, by key, that have arrived since the last call."""
        return dict(self._asker.collect())

    def telemetry(self) -> dict[str, Any]:
        """Counts of waiting and asked questions, and the error that stopped the asking, if any."""
        told: dict[str, Any] = {"waiting": self._asker.waiting, "asked": self.asked}
        failure = self._asker.failure
        return told | ({"stopped": failure.cause} if failure is not None else {})

    def close(self) -> None:
        """Stop the threads without waiting for answers in progress."""
        self._asker.close()

    def _answer(self, taken: Sequence[tuple[TransitionQuestion, float]]) -> list[tuple[int, int]]:
        """(key, verdict) of each question. Raises BudgetSpent, ModelFailed, LostItem."""
        return [(question.key, self._verdict(question)) for question, _ in taken]

    def _verdict(self, question: TransitionQuestion) -> int:
        words, began = question.words(), time.monotonic()
        # The key depends on the description, not on the time: trials of one candidate share answers through the ledger,
        # and a recording finds them again.
        key = ReplayKey(VERIFIER, 0, question.key & 0x7FFFFFFF)
        verdict = ask_verifier(self._model, key, self._prompt(words), self._names)
        if verdict is None:
            raise BudgetSpent(
                "the budget for language-model calls is spent", "Raise --max-calls, --max-tokens or --max-dollars."
            )
        seconds = round(time.monotonic() - began, 3)
        self._log({"key": question.key, "transition": words, "verdict": verdict, "seconds": seconds})
        return verdict


def bits(flags: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return verdicts int64 [...] from flags bool [..., G]: bit g is flag g."""
    return (flags.astype(np.int64) << np.arange(flags.shape[-1])).sum(-1)

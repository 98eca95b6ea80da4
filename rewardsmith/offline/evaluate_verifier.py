"""`rewardsmith evaluate-verifier`: accuracy of credit assignment on recorded transitions (CALM, section 4)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rewardsmith.agents import roles
from rewardsmith.agents.models import VERIFIER, Answer, LanguageModel, ModelAround, ReplayKey, Request
from rewardsmith.agents.registry import open_model
from rewardsmith.errors import BudgetSpent, RewardsmithError, UsageError
from rewardsmith.methods.asking.noisy_truth import NoisyTruth
from rewardsmith.methods.calm import METHOD as CALM
from rewardsmith.methods.calm import CalmOptions
from rewardsmith.methods.verifying.subgoal_program import read_sentences
from rewardsmith.methods.verifying.verifier import ask_verifier, bits, verifier_prompt
from rewardsmith.offline.examination import Agreement, Examination, draw_examination
from rewardsmith.programs.problem import Problem
from rewardsmith.tasks import get_task
from rewardsmith.tasks.base import Task
from rewardsmith.tasks.subgoals import preset_subgoals
from rewardsmith.tasks.transitions import Describer, View
from sandbox.client import Isolation

_AT_ONCE = 8


@dataclass(frozen=True)
class VerifierTest:
    """The settings of an evaluation.

    Attributes:
        task: Task id; a planner must know its subgoals.
        model: Model to evaluate; "synth" evaluates an oracle labeller and rules.
        transitions: Number of transitions.
        seed: Seed of the transitions and of the oracle's errors.
        arms: Experimental conditions (mode, subgoals, view), as in the options of the method `calm`.
        false_positive: Probability that the oracle labeller flags a transition wrongly.
        false_negative: Probability that the oracle labeller misses a transition.
        max_calls: Largest number of calls to the model; None for no limit.
        isolation: Least sandbox level.
    """

    task: str
    model: str = "synth"
    transitions: int = 200
    seed: int = 0
    arms: Sequence[tuple[str, str, View]] = ()
    false_positive: float = 0.0
    false_negative: float = 0.0
    max_calls: int | None = None
    isolation: Isolation = Isolation.KERNEL


ARMS: tuple[tuple[str, str, View], ...] = (
    ("verifier", "preset", "cropped"),
    ("verifier", "preset", "full"),
    ("verifier", "preset", "caption"),
    ("verifier", "discover", "cropped"),
    ("verifier", "discover", "full"),
    ("code", "discover", "full"),
)
"""The conditions of the paper (preset and discovered subgoals, cropped and full view), and captions and predicates."""


@dataclass(frozen=True)
class ArmScore:
    """The result of one experimental condition.

    Attributes:
        mode: "verifier" or "code".
        subgoals: "preset" or "discover".
        view: "cropped", "full" or "caption"; "-" for predicates.
        flagged_by: Name of the model, or "oracle labeller".
        oracle_informed: Whether privileged information was used.
        agreement: Agreement of the flags with the simulator's state.
        calls: Calls of this condition.
        tokens: Tokens of this condition; None if unknown.
    """

    mode: str
    subgoals: str
    view: str
    flagged_by: str
    oracle_informed: bool
    agreement: Agreement
    calls: int
    tokens: int | None


def evaluate_verifier(test: VerifierTest, on_arm: Callable[[str], None] = lambda text: None) -> list[ArmScore]:
    """Evaluate every experimental condition on the same transitions.

    Args:
        test: The settings.
        on_arm: Receives a line before each condition.

    Raises:
        UsageError: No planner knows subgoals of the task.
        ModelFailed: The model could not be called.
        BudgetSpent: `max_calls` is reached.
        HostError: A designed program failed in the sandbox.
    """
    task = get_task(test.task)
    preset = preset_subgoals(task)
    if not preset:
        raise UsageError(
            f"No planner knows subgoals of {task.id}.", "Pass a MiniGrid task with objects, such as MiniGrid-Unlock-v0."
        )
    examined = draw_examination(task, preset, test.transitions, test.seed)
    scores = []
    model = _Counted(open_model(test.model), test.max_calls)
    for mode, subgoals, view in test.arms or ARMS:
        on_arm(f"{mode}, {subgoals} subgoals, {view} view: {len(examined.steps)} transitions")
        before = (model.calls, model.tokens)
        options = CalmOptions.model_validate({"mode": mode, "subgoals": subgoals, "view": view})
        arm = _Arm(test, task, examined, model, options)
        flags = arm.code() if mode == "code" else arm.verifier()
        tokens = None if model.tokens is None or before[1] is None else model.tokens - before[1]
        stands_in = mode == "verifier" and not model.is_language_model
        score = ArmScore(
            mode=mode,
            subgoals=subgoals,
            view=view if mode == "verifier" else "-",
            flagged_by="oracle labeller" if stands_in else model.name,
            oracle_informed=stands_in or subgoals == "preset",
            agreement=Agreement.of(flags, examined),
            calls=model.calls - before[0],
            tokens=tokens,
        )
        scores.append(score)
    return scores


class _Arm:
    """Flags the examined transitions under one experimental condition."""

    def __init__(self, test: VerifierTest, task: Task, examined: Examination, model: _Counted, options: Any) -> None:
        self._test, self._task, self._examined = test, task, examined
        self._model, self._options = model, options

    def code(self) -> NDArray[np.bool_]:
        """Return the flags (bool [K]) of designed predicates, evaluated in the sandbox over whole episodes."""
        reward = CALM.reward(self._designed(), self._options)
        played = self._examined.rollout
        problem = Problem(self._task, reward, 1.0, self._test.isolation)  # nothing is discounted here
        scores = problem.scores(played)
        assert scores is not None
        t, n = self._examined.steps.T
        return np.logical_or.reduce(scores.values > 0, axis=-1)[t, n]

    def verifier(self) -> NDArray[np.bool_]:
        """Return the flags (bool [K]) of the model, or of the oracle labeller."""
        examined, played = self._examined, self._examined.rollout
        describer = Describer(self._task, self._options.view)
        if not self._model.is_language_model:
            seen = (examined.observations, examined.following)
            keys = describer.keys(played.before, played.actions, played.after, *seen)
            rates = (self._test.false_positive, self._test.false_negative)
            oracle = NoisyTruth(examined.truth.shape[-1], *rates, seed=self._test.seed)
            truth = bits(examined.truth)
            return np.array([oracle.of(int(keys[t, n]), int(truth[t, n])) != 0 for t, n in examined.steps])
        subgoals = {s.name: s.says for s in preset_subgoals(self._task)}
        if self._options.subgoals == "discover":
            subgoals = read_sentences(self._designed())
        goal = self._task.interface().goal

        def ask(number: int) -> bool:
            t, n = examined.steps[number]
            words = describer.words(
                played.before[t, n], played.actions[t, n], played.after[t, n],
                examined.observations[t, n], examined.following[t, n], played.tables,
            )  # fmt: skip
            prompt = verifier_prompt(goal, describer.legend, subgoals, words)
            verdict = ask_verifier(self._model, ReplayKey(VERIFIER, 0, number), prompt, list(subgoals))
            if verdict is None:
                raise BudgetSpent(
                    f"The limit of {self._test.max_calls} calls is reached.",
                    "Raise --max-calls, or lower --transitions.",
                )
            return verdict != 0

        with ThreadPoolExecutor(_AT_ONCE) as pool:
            return np.array(list(pool.map(ask, range(len(examined.steps)))), dtype=bool)

    def _designed(self) -> str:
        """Return the designer's subgoals. Raises RewardsmithError if the answer cannot be read."""
        contract = CALM.contract(self._options)
        assert contract is not None
        asked = roles.DesignRequest(
            contract, self._task.interface(), 1, 0, 1, "new", 0, [], [],
            given=CALM.given(self._task, self._options), facts=not self._model.is_language_model,
        )  # fmt: skip
        outcome = roles.design(self._model, asked)
        if outcome.result is None:
            cause = f"The answer of {self._model.name} contains no readable subgoals: {outcome.reason}"
            raise RewardsmithError(cause, "Run the command again, or use --subgoals preset.")
        return outcome.result.source


class _Counted(ModelAround):
    """A model that counts its calls and tokens, and makes at most `most` calls."""

    def __init__(self, inner: LanguageModel, most: int | None) -> None:
        super().__init__(inner)
        self._most, self._lock = most, threading.Lock()
        self.calls = 0
        self.tokens: int | None = 0

    def complete(self, request: Request) -> Answer:
        with self._lock:
            if self._most is not None and self.calls >= self._most:
                cause = f"The limit of {self._most} calls is reached."
                raise BudgetSpent(cause, "Raise --max-calls, or lower --transitions.")
            self.calls += 1
        answer = self.inner.complete(request)
        used = (answer.usage.prompt_tokens, answer.usage.completion_tokens)
        with self._lock:
            unknown = self.tokens is None or None in used
            self.tokens = None if unknown else (self.tokens or 0) + sum(u or 0 for u in used)
        return answer

"""The factors of a LaRe program: read from its text, and taken from its scores in training."""

from __future__ import annotations

import ast
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rewardsmith.errors import UsageError
from rewardsmith.methods.base import Setting
from rewardsmith.methods.decomposition.learner import DecompositionLearner, Fitting
from rewardsmith.programs.answer_text import UnreadableAnswer
from rewardsmith.syntax import NotPython, parse_module
from rewardsmith.training.learner import Experience

FEWEST_FACTORS, MOST_FACTORS = 2, 8
LIMIT = 10.0
"""Factors are clipped to [-LIMIT, LIMIT]."""


def read_factors(source: str) -> None:
    """Check that factors() returns dicts of 2 to 8 factors, as far as the text shows it. The program is not run.

    Raises UnreadableAnswer with a message for the model.
    """
    try:
        body = parse_module(source).body
    except NotPython as error:
        raise UnreadableAnswer(f"The program cannot be parsed: {error}.") from None
    function = next((n for n in body if isinstance(n, ast.FunctionDef) and n.name == "factors"), None)
    if function is None:
        raise UnreadableAnswer("The program must define `def factors(prev, action, state, memory)`.")
    names: set[str] = set()
    for node in ast.walk(function):
        if not isinstance(node, ast.Return):
            continue
        if isinstance(node.value, ast.Constant | ast.List | ast.Tuple):
            raise UnreadableAnswer("factors() must return a dict that maps each factor's name to a number.")
        if isinstance(node.value, ast.Dict):
            names |= {k.value for k in node.value.keys if isinstance(k, ast.Constant) and isinstance(k.value, str)}
            if all(isinstance(k, ast.Constant) for k in node.value.keys) and len(names) < FEWEST_FACTORS:
                raise UnreadableAnswer(f"factors() returns {len(names)} factors; give {_RANGE}.")
    if len(names) > MOST_FACTORS:
        raise UnreadableAnswer(f"factors() returns {len(names)} factors; give {_RANGE}.")


_RANGE = f"{FEWEST_FACTORS} to {MOST_FACTORS}"


class FactorDecomposition(DecompositionLearner):
    """The features are the program's factors, which the reward host has computed.

    A factor keeps its column for the whole trial. A program may return it for the first time on a later step.
    """

    def __init__(self, setting: Setting, channel: str, fitting: Fitting, *, shuffled: bool = False) -> None:
        super().__init__(setting, channel, MOST_FACTORS, fitting)
        self._shuffled = shuffled
        self._generator = np.random.default_rng(setting.seed)

    def features(self, seen: Experience) -> NDArray[np.float32]:
        """Return the factors, float32 [T, N, 8]; unused columns are 0.

        Raises UsageError if the program does not return 2 to 8 factors.
        """
        assert seen.scores is not None, "a program with factors is scored"
        found = tuple(name.removeprefix("factors.") for name in seen.scores.names)
        self.names = (*self.names, *(name for name in found if name not in self.names))
        if not FEWEST_FACTORS <= len(self.names) <= MOST_FACTORS or "factors" in found:
            raise UsageError(
                f"factors() returned {len(self.names)} named factors.", f"Return a dict of {_RANGE} named numbers."
            )
        made = np.zeros((*seen.rollout.starts.shape, MOST_FACTORS), dtype=np.float32)
        for column, name in enumerate(found):
            values = seen.scores.values[:, :, column]
            made[:, :, self.names.index(name)] = np.clip(values, -LIMIT, LIMIT)
        return self._permuted(made) if self._shuffled else made

    def _permuted(self, made: NDArray[np.float32]) -> NDArray[np.float32]:
        """Give each step the factors of another step of the rollout."""
        flat = made.reshape(-1, MOST_FACTORS)
        return flat[self._generator.permutation(len(flat))].reshape(made.shape)

    def state(self) -> Any:
        """The state of the decomposition, the factors' columns, and the generator of the control."""
        return {**super().state(), "names": list(self.names), "generator": _words(self._generator)}

    def load(self, state: Any) -> None:
        """Restore the value that `state` returned."""
        super().load(state)
        self.names = tuple(state["names"])
        _restore(self._generator, state["generator"])


def _words(generator: np.random.Generator) -> dict[str, Any]:
    """The generator's state; its 128-bit numbers as texts, which JSON can hold."""
    state: Any = generator.bit_generator.state
    return {**state, "state": {name: str(number) for name, number in state["state"].items()}}


def _restore(generator: np.random.Generator, words: dict[str, Any]) -> None:
    numbers = {name: int(text) for name, text in words["state"].items()}
    generator.bit_generator.state = {**words, "state": numbers}

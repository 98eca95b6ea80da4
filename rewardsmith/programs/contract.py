"""Contract: the functions that a designer must write for a method."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Literal

from rewardsmith.errors import UsageError
from rewardsmith.programs.answer_text import UnreadableAnswer
from rewardsmith.programs.params import with_values
from rewardsmith.programs.reading import ReadProgram, read_program


@dataclass(frozen=True)
class Contract:
    """The functions that an answer must define at its top level, and the prompt block that describes them.

    Attributes:
        name: Name of the prompt block, agents/prompts/contract-NAME.md.j2.
        functions: Names of the functions, in the order in which they are called on each transition.
        cap: Cap of a channel's net sum over an episode, if the method sets one.
        check: Checks the text of a program that defines them. Raises UnreadableAnswer with a reason for the model.
        specified: Builds the program of a JSON specification from an answer and the facts of the task's interface.
            Raises UnreadableAnswer. None if answers are Python.
        candidates: Programs that a designer writes for a new program and then merges into it; 1: no merging.
        impossible: Failures of the vocabulary (verification.diagnosis.LABELS) that cannot occur under the contract.
            Prompts do not list them.
    """

    name: str
    functions: tuple[str, ...]
    cap: float | None = None
    check: Callable[[str], Any] | None = field(default=None, compare=False)
    specified: Callable[[str, Mapping[str, Any]], ReadProgram] | None = field(default=None, compare=False)
    candidates: int = 1
    impossible: frozenset[str] = frozenset()

    def read(self, answer: str, facts: Mapping[str, Any] = MappingProxyType({})) -> ReadProgram:
        """Read the program in a model's answer.

        Args:
            answer: The answer, or the text of a program.
            facts: Facts of the task's interface (tasks.base.Interface).

        Raises:
            UnreadableAnswer: It holds no program that keeps the contract.
        """
        if self.specified is not None:
            return self.specified(answer, facts)
        program = _with_numbers(read_program(answer, self.functions))
        if self.check is not None:
            self.check(program.source)
        return program

    @property
    def form(self) -> Literal["python", "json"]:
        """The language in which a designer answers."""
        return "python" if self.specified is None else "json"

    @property
    def template(self) -> str:
        """File name of the prompt block."""
        return f"contract-{self.name}.md.j2"


def impossible_when_specified(shaping: str) -> frozenset[str]:
    """Return the failures that cannot occur where the program is generated from a JSON specification.

    Unknown names are refused when the answer is read, and generated code does not fail. A potential with the learner's
    discount ("potential") adds up to the same sum for every policy, so it cannot outweigh success.

    Args:
        shaping: "progress" or "potential".
    """
    known = {"interface misuse", "crash"}
    return frozenset(known | ({"shaping dominates", "saturated", "oscillation"} if shaping == "potential" else set()))


def _with_numbers(program: ReadProgram) -> ReadProgram:
    """Return the program with the middle of each range that its PARAMS leave open."""
    try:
        return replace(program, source=with_values(program.source, {}))
    except UsageError as error:
        raise UnreadableAnswer(f"{error.cause} {error.remedy}") from None

"""Whether the episodes of a batch succeed: a condition over the columns of state rows, or the user's own function."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from numpy.typing import NDArray

from rewardsmith.tasks.described.conditions import Direct
from rewardsmith.tasks.described.reading import FunctionCondition, Variable

After = tuple[int, float, bool, bool, float, dict[str, Any]]
"""A step's number in its episode, its reward, whether it terminated or truncated it, the return so far, the info."""


class Judge(Protocol):
    """Tests the success of N environments, step by step.

    Attributes:
        at_end: Whether success can come on no step except one that ends an episode.
        reads_return: Whether the return of the episode is read.
    """

    at_end: bool
    reads_return: bool

    def start(self, n: int) -> None:
        """An episode of environment n begins."""
        ...

    def holds(self, n: int, row: NDArray[Any], after: After, observation: Any) -> Any:
        """Whether the test is true after a step, as any object; call it once a step.

        Args:
            n: The environment.
            row: Its state row [W].
            after: What the step brought.
            observation: What the environment returned for the policy.
        """
        ...


class ConditionJudge:
    """Tests a condition that was translated for state rows."""

    def __init__(self, condition: Direct, num_envs: int) -> None:
        self.at_end, self.reads_return = condition.at_end, condition.reads_return
        self._test, self._tests = condition.functions()
        self._held = [[0] * len(self._tests) for _ in range(num_envs)]

    def start(self, n: int) -> None:
        """No condition has been held yet."""
        if self._tests:
            self._held[n] = [0] * len(self._tests)

    def holds(self, n: int, row: NDArray[Any], after: After, observation: Any) -> Any:
        """Whether the test is true after a step, see Judge."""
        if not self._tests:
            return self._test(row, *after, None)
        held = self._held[n]
        for index, (_, test) in enumerate(self._tests):
            held[index] = held[index] + 1 if test(row, *after, held) else 0
        return self._test(row, *after, held)


class FunctionJudge:
    """Asks the user's own function."""

    at_end = False
    reads_return = True

    def __init__(self, function: FunctionCondition, variables: Sequence[Variable], envs: Sequence[Any]) -> None:
        self._function, self._envs = function, envs
        self._needed = [v for v in variables if function.names is None or v.name in function.names]

    def start(self, n: int) -> None:
        """An episode begins; a function counts nothing."""

    def holds(self, n: int, row: NDArray[Any], after: After, observation: Any) -> Any:
        """Whether the test is true after a step, see Judge."""
        values: dict[str, Any] = {v.name: v.read(row) for v in self._needed}
        step, reward, terminated, truncated, episode_return, info = after
        values.update(
            step=step, length=step, terminated=terminated, truncated=truncated, reward=reward,
            episode_return=episode_return, info=info, env=self._envs[n], observation=observation,
        )  # fmt: skip
        return self._function.holds(values, [])


class NoJudge:
    """Nothing counts as a success."""

    at_end = True
    reads_return = False

    def start(self, n: int) -> None:
        """An episode begins; nothing is counted."""

    def holds(self, n: int, row: NDArray[Any], after: After, observation: Any) -> bool:
        """Return False: nothing is a success."""
        return False

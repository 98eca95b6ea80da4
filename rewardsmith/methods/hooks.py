"""RareHooks: what most methods leave as it is. A method overrides those that differ for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from rewardsmith.tasks.base import Task


class RareHooks:
    """Defaults of a Method's rare hooks, in three groups.

    Which tasks and policies: `check`, `recurrent`.
    Programs: `given`, what a designer is told besides the interface; `program`, of a method that asks no designer.
    What is told of it: `evidence`, `oracle_informed`, `stand_in`, `reads_files`.

    `modelled` says whether a language model answers this job's prompts, rather than what is built in.
    """

    recurrent: ClassVar[bool] = True
    """Whether it works with policies that remember; one that calls the network itself may not."""

    def check(self, task: Task, options: Any, modelled: bool) -> None:
        """Raises UsageError where the method cannot work on `task`, alone or combined."""

    def given(self, task: Task, options: Any) -> Mapping[str, Any]:
        """What the contract's prompt block is told of `task`, as `given` in its template."""
        return {}

    def program(self, task: Task, options: Any) -> str:
        """The program of a method that asks nobody for one; "" = none. Raises UsageError where it has none for
        `task`."""
        return ""

    def evidence(self, telemetry: Mapping[str, Any]) -> tuple[str, ...]:
        """Sentences for the analyzer, from what the learner's `telemetry` told last."""
        return ()

    def oracle_informed(self, options: Any, modelled: bool) -> bool:
        """Whether a planner or the simulator's truth decides what is paid: no evidence for a language model then."""
        return False

    def stand_in(self, options: Any) -> str | None:
        """What answers in a language model's place where none is named, in one sentence; None if nobody is asked."""
        return None

    def reads_files(self, options: Any) -> bool:
        """Whether it would read files, named by its options, of the machine that trains: not for submitted jobs."""
        return False

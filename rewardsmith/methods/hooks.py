"""RareHooks: hooks whose defaults suit most methods."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from rewardsmith.tasks.base import Task


class RareHooks:
    """Defaults of a Method's rare hooks.

    - Supported tasks and policies: `check`, `recurrent`; `observed` adds inputs to the policy's observation.
    - Programs: `given` adds values to the designer's prompt; `program` returns the program of a method without a
    designer. - Reports: `evidence`, `oracle_informed`, `oracle_notice`, `reads_files`.

    The argument `modelled` is true if a language model answers the job's prompts, and false for a built-in adapter.
    """

    recurrent: ClassVar[bool] = True
    """Whether the method supports recurrent policies. A method that calls the network itself may not."""

    algorithms: ClassVar[frozenset[str]] = frozenset({"ppo", "a2c"})
    """The algorithms whose rollouts the method's learner takes, if it has one."""

    def check(self, task: Task, options: Any, modelled: bool) -> None:
        """Raise UsageError if the method cannot work on `task`, alone or combined."""

    def observed(self, task: Task, options: Any, source: str) -> Task:
        """Return `task` with the method's policy inputs (tasks.policy_inputs.with_inputs); `task` if it has none.

        Args:
            task: The task.
            options: An instance of the method's `Options`.
            source: The program of the trial; "" without one.
        """
        return task

    def given(self, task: Task, options: Any) -> Mapping[str, Any]:
        """Return values about `task` for the contract's prompt template, where they are called `given`."""
        return {}

    def program(self, task: Task, options: Any) -> str:
        """Return the program of a method without a designer; "" if it needs none.

        Raises:
            UsageError: The method has no program for `task`.
        """
        return ""

    def evidence(self, telemetry: Mapping[str, Any]) -> tuple[str, ...]:
        """Return sentences for the analyzer, from the latest telemetry of the learner."""
        return ()

    def oracle_informed(self, options: Any, modelled: bool) -> bool:
        """Whether the reward uses privileged information: a planner, or the simulator's truth."""
        return False

    def oracle_notice(self, options: Any) -> str | None:
        """Return a notice about the oracle that replaces an unnamed language model; None if the method uses no
        model."""
        return None

    def reads_files(self, options: Any) -> bool:
        """Whether an option names a file on the training machine; submitted jobs must not set it."""
        return False

"""Exact progress, after Rewarding Progress (Setlur et al. 2024, arXiv 2410.08146).

    r' = r + alpha * (gamma * V^mu(s') - V^mu(s))

V^mu is the value of a prover policy mu, which differs from the policy that learns: by how much did the step raise the
probability that mu succeeds? The paper estimates it from sampled rollouts. Here layouts are enumerated, so it is exact.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from rewardsmith.errors import UsageError
from rewardsmith.methods.base import Method, Options, Setting
from rewardsmith.programs.composition import Channel
from rewardsmith.tasks.base import Task
from rewardsmith.tasks.capabilities import tabular_of
from rewardsmith.training.learner import Learner


class ProgressOptions(Options):
    """Options of exact progress. With strength 0 the prover acts at random."""

    weight: float = Field(default=1.0, ge=0, description="weight of the potential, alpha")
    strength: float = Field(default=0.0, ge=0, lt=1, description="probability of an action on a shortest way")
    logarithm: bool = Field(default=False, description="use log V, scaled to [0, 1), as the potential")
    states: int = Field(default=100_000, ge=1, description="most states of a layout that are enumerated")


class Progress(Method):
    """Needs no designer; the potential is added to the environment's reward, or to that of any other method."""

    name = "progress"
    summary = "exact progress: how much likelier a weak prover policy succeeds after each step (oracle-informed)"
    Options = ProgressOptions

    def check(self, task: Task, options: Any, modelled: bool) -> None:
        """Raise UsageError if the states of the first layout cannot be enumerated."""
        tabular = tabular_of(task)
        graph = tabular.state_graph(0, options.states) if tabular is not None and "walls" in task.schema else None
        if graph is None or not graph.complete:
            raise UsageError(
                f"Progress needs all states of a layout, and those of {task.id} cannot be listed"
                f"{'' if graph is None else f' within {options.states:,}'}.",
                "Set --task to a smaller MiniGrid task, or raise --option progress.states.",
            )

    def bonuses(self, options: Any) -> tuple[Channel, ...]:
        """Return the channel `progress`, a potential that exists in training only."""
        return (Channel(self.name, kind="learned", weight=options.weight),)

    def oracle_informed(self, options: Any, modelled: bool) -> bool:
        """Always true: the simulator's model provides the values."""
        return True

    def learner(self, setting: Setting) -> Learner:
        """Return the learner that looks values up."""
        from rewardsmith.methods.prover.learner import ProgressLearner

        return ProgressLearner(setting)

    def evidence(self, telemetry: Mapping[str, Any]) -> tuple[str, ...]:
        """Return nothing: the values say nothing about the program."""
        return ()


METHOD = Progress()

"""How much a reward's checks play and enumerate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from rewardsmith.programs.problem import Problem
from rewardsmith.tasks.base import Task
from rewardsmith.verification.bounds import JOB_CALLS
from rewardsmith.verification.certificate import QUICK_LIMIT, QUICK_WORK, Certificate, certify
from rewardsmith.verification.layouts import LAYOUTS
from rewardsmith.verification.ways import Rival


@dataclass(frozen=True)
class Proof:
    """The extent of battery and certificate.

    Attributes:
        layouts: Number of random layouts that both check.
        hard: Most hard layouts that both check as well, see hard_layouts.py.
        limit: Most nodes per layout, see `certify`.
        work: Most transitions after which no further layout is certified, see `certify`.
        wanted: Whether battery and certificate run at all.
        played: Most environment steps that the battery plays where a reference stands for the solution; None for the
            usual number.
        searched: Most environment steps of the search for exploits where no optimum is computed; 0 for no search.
        first_failure: Whether the certificate stops at the first layout that fails.
        bounds: Most calls of the program for the bounds of a layout with too many nodes, see `certify`.
    """

    layouts: int = LAYOUTS
    limit: int = QUICK_LIMIT
    work: int | None = QUICK_WORK
    wanted: bool = True
    played: int | None = None
    searched: int = 0
    hard: int = 0
    first_failure: bool = False
    bounds: int = JOB_CALLS

    def certificate(self, problem: Problem) -> Certificate:
        """Certify a reward to this extent. Raises sandbox.HostError if the program fails."""
        return certify(
            problem, self.layouts, self.limit, self.work, self.hard,
            first_failure=self.first_failure, bounds=self.bounds,
        )  # fmt: skip

    @property
    def enumerable(self) -> int | None:
        """Most environment steps for enumerating the states of a described task; None for no limit."""
        return None if self.played is None else self.played // 3

    def after(self, steps: int) -> Proof:
        """Return the extent that is left after `steps` environment steps of an enumeration."""
        return self if self.played is None or not steps else replace(self, played=max(0, self.played - steps))

    def without(self, rivals: Sequence[Rival], task: Task) -> tuple[Proof, Sequence[Rival]]:
        """Return the extent that is left for other ways, and those of `rivals` that half of the steps cover."""
        if self.played is None or not rivals:
            return self, rivals
        each = self.layouts * task.max_steps
        kept = rivals[: self.played // 2 // each]
        return replace(self, played=self.played - len(kept) * each), kept

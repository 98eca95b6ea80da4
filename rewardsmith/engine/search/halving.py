"""Successive halving: a round's candidates train in rungs, and the better half goes on to the next.

Jamieson and Talwalkar, "Non-stochastic Best Arm Identification and Hyperparameter Optimization", AISTATS 2016.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from rewardsmith.engine.search.job_budget import JobBudget
from rewardsmith.engine.search.retraining import retrain
from rewardsmith.engine.search.round_end import end_round
from rewardsmith.engine.search.snapshot import Snapshot
from rewardsmith.engine.search.steps import AddItem, SetCandidate, Step, death
from rewardsmith.engine.search.trainings import first_trials, trials_of_rung
from rewardsmith.reporting.proportion import wilson
from rewardsmith.spec import JobSpec
from rewardsmith.storage.queue import OPEN
from rewardsmith.storage.records import Candidate


@dataclass(frozen=True)
class Halving:
    """Trains all candidates of a round that passed their check, and gives up the worse at each rung.

    number: the round, from 1. rungs: shares of a full trial at which candidates are compared, rising to 1. keep: the
    share of candidates promoted at a rung, of (0, 1]. target: success, of [0, 1], that the search looks for; None for
    as much as possible.

    finalists: at least so many go on at every rung. On one seed the end of a curve is noisy, and two slots train two
    candidates at once.
    """

    number: int
    rungs: tuple[float, ...]
    keep: float
    target: float | None
    finalists: int = 2

    @classmethod
    def of(cls, spec: JobSpec, number: int) -> Halving:
        """With a job's settings, for round `number`."""
        return cls(number, spec.rungs, spec.keep, spec.target)

    def next(self, s: Snapshot) -> list[Step]:
        """The next trainings, promotions and deaths of the round, or its end; empty while trials are under way.

        A rung is a barrier: promotion looks at results only, never at arrival.
        """
        steps: list[Step] = []
        for candidate in s.ready(self.number):
            steps += first_trials(s, candidate, _trials_in(steps))
        return steps or self._race(s)

    def promoted(self, s: Snapshot, alive: Sequence[Candidate], rung: int) -> list[Candidate]:
        """Who goes on from `rung`, of candidates ranked best first: a share of them, at least the finalists.

        Where the leader has surely reached the target already, those surely behind it are left out.
        """
        kept = list(alive[: max(self.finalists, math.ceil(len(alive) * self.keep))])
        leader, (low, _) = kept[0], _interval(s, kept[0], rung)
        if self.target is None or min(low, s.score(leader, rung, "late")) < self.target:
            return kept
        return [c for c in kept if c is leader or _interval(s, c, rung)[1] >= low]

    def _race(self, s: Snapshot) -> list[Step]:
        racers = s.begun(self.number)
        for rung in range(len(self.rungs)):
            here = [c for c in racers if s.trainings(c, rung)]
            if any(i.state in OPEN for c in here for i in s.trainings(c, rung)):
                return []
            faults = {c.id: fault for c in here if (fault := s.fault(c, rung))}
            if deaths := [death(c, faults[c.id]) for c in here if c.state != "dead" and c.id in faults]:
                return list(deaths)
            alive = sorted((c for c in here if c.id not in faults), key=lambda c: s.rank_key(c, rung))
            if rung == len(self.rungs) - 1 or not alive:
                break
            ahead = [c for c in alive if s.trainings(c, rung + 1)]
            steps = self._cross(s, alive, ahead, rung)
            if steps or not ahead:
                return steps or end_round(s, self.number)
        return end_round(s, self.number)

    def _cross(self, s: Snapshot, alive: list[Candidate], ahead: list[Candidate], rung: int) -> list[Step]:
        """Who of `alive`, best first, goes on and who is given up; those `ahead` have gone on before."""
        promoted, budget = self.promoted(s, alive, rung), JobBudget(s)
        if again := retrain(s, [c for c in alive if c not in promoted and c not in ahead]):
            return again
        steps: list[Step] = []
        for place, candidate in enumerate(alive, start=1):
            if candidate in ahead or candidate.state == "dead":
                continue
            if candidate not in promoted:
                steps.append(_not_promoted(s, candidate, rung, f"place {place} of {len(alive)}"))
            elif budget.affords_training(rung + 1, _trials_in(steps)):
                steps += trials_of_rung(s, candidate, rung + 1)
        return steps


def _trials_in(steps: Sequence[Step]) -> int:
    return sum(isinstance(step, AddItem) for step in steps)


def _not_promoted(s: Snapshot, c: Candidate, rung: int, place: str) -> SetCandidate:
    success = s.score(c, rung)
    return death(c, f"not promoted from rung {rung + 1}: {success:.0%} success, {place}", score=success)


def _interval(s: Snapshot, c: Candidate, rung: int) -> tuple[float, float]:
    """Wilson, 95 %, of the success at a rung's end, all seeds together."""
    episodes = s.episodes(c, rung)
    return wilson(round(s.score(c, rung) * episodes), episodes)

"""Successive halving: the candidates of a round train in rungs, and the better half is promoted to the next rung."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from rewardsmith.engine.search.job_budget import JobBudget
from rewardsmith.engine.search.retraining import retrain
from rewardsmith.engine.search.round_end import end_round
from rewardsmith.engine.search.snapshot import Snapshot, target_of
from rewardsmith.engine.search.steps import AddItem, SetCandidate, Step, reject
from rewardsmith.engine.search.trainings import first_trials, trials_of_rung
from rewardsmith.spec import JobSpec
from rewardsmith.storage.queue import OPEN
from rewardsmith.storage.records import Candidate


@dataclass(frozen=True)
class Halving:
    """Successive halving of the candidates of a round (Jamieson and Talwalkar 2016, Karnin et al. 2013).

    1. Train all candidates that passed their check to the first rung, a fraction of a full trial.
    2. When all trials of the rung have ended, reject the candidates whose trials failed and rank the others by
       `Snapshot.rank_key`. A rung is a barrier, so the ranking does not depend on which trial ends first.
    3. Promote the best fraction `keep`, rounded up, and at least `finalists` candidates.
    4. If the leader has already reached the target, drop the promoted candidates whose confidence interval lies
       entirely below the leader's. The leader has reached it if both the lower end of its 95 % confidence interval
       (Wilson) and its mean success over the last third of the curve are at least `target`.
    5. Retrain those that are not promoted where a diagnosis calls for it (retraining.py), and rank again.
    6. Reject the others that are not promoted. Train the promoted ones to the next rung, as far as the budget allows,
       and continue with step 2.
    7. After the last rung, end the round (round_end.py).

    Jamieson and Talwalkar, "Non-stochastic Best Arm Identification and Hyperparameter Optimization", AISTATS 2016,
    for steps 1 to 3; there one total budget determines the steps of each rung. Karnin, Koren and Somekh, "Almost
    Optimal Exploration in Multi-Armed Bandits", ICML 2013, introduced the algorithm as sequential halving.

    Attributes:
        number: The round, from 1.
        rungs: Fractions of a full trial, increasing to 1, at which candidates are compared.
        keep: Fraction of the candidates that is promoted at a rung, in (0, 1].
        target: Success rate or normalised score that the search looks for, in (0, 1]; None for no early stop.
        finalists: Least number of candidates promoted at each rung. One seed is a noisy estimate, so the second best
            is kept too.
    """

    number: int
    rungs: tuple[float, ...]
    keep: float
    target: float | None
    finalists: int = 2

    @classmethod
    def of(cls, spec: JobSpec, number: int) -> Halving:
        """Create the strategy of a round from the job's settings."""
        return cls(number, spec.rungs, spec.keep, target_of(spec))

    def next(self, s: Snapshot) -> list[Step]:
        """Return the next steps of the round: trials, rejections, or its end. Empty while trials are running."""
        steps: list[Step] = []
        for candidate in s.ready(self.number):
            steps += first_trials(s, candidate, _trials_in(steps))
        return steps or self._race(s)

    def promoted(self, s: Snapshot, alive: Sequence[Candidate], rung: int) -> list[Candidate]:
        """Return the candidates promoted from a rung (steps 3 and 4), given the candidates ranked best first."""
        kept = list(alive[: max(self.finalists, math.ceil(len(alive) * self.keep))])
        leader, (low, _) = kept[0], s.interval(kept[0], rung)
        if self.target is None or min(low, s.score(leader, rung, "late")) < self.target:
            return kept
        return [c for c in kept if c is leader or s.interval(c, rung)[1] >= low]

    def _race(self, s: Snapshot) -> list[Step]:
        racers = s.begun(self.number)
        for rung in range(len(self.rungs)):
            here = [c for c in racers if s.trainings(c, rung)]
            if any(i.state in OPEN for c in here for i in s.trainings(c, rung)):
                return []
            faults = {c.id: fault for c in here if (fault := s.fault(c, rung))}
            if rejections := [reject(c, faults[c.id]) for c in here if c.state != "rejected" and c.id in faults]:
                return list(rejections)
            alive = sorted((c for c in here if c.id not in faults), key=lambda c: s.rank_key(c, rung))
            if rung == len(self.rungs) - 1 or not alive:
                break
            ahead = [c for c in alive if s.trainings(c, rung + 1)]
            steps = self._cross(s, alive, ahead, rung)
            if steps or not ahead:
                return steps or end_round(s, self.number)
        return end_round(s, self.number)

    def _cross(self, s: Snapshot, alive: list[Candidate], ahead: list[Candidate], rung: int) -> list[Step]:
        """Promote or reject candidates ranked best first (steps 5 and 6); those in `ahead` were promoted earlier."""
        promoted, budget = self.promoted(s, alive, rung), JobBudget(s)
        if again := retrain(s, [c for c in alive if c not in promoted and c not in ahead]):
            return again
        steps: list[Step] = []
        for place, candidate in enumerate(alive, start=1):
            if candidate in ahead or candidate.state == "rejected":
                continue
            if candidate not in promoted:
                steps.append(_not_promoted(s, candidate, rung, f"place {place} of {len(alive)}"))
            elif budget.affords_training(rung + 1, _trials_in(steps)):
                steps += trials_of_rung(s, candidate, rung + 1)
        return steps


def _trials_in(steps: Sequence[Step]) -> int:
    return sum(isinstance(step, AddItem) for step in steps)


def _not_promoted(s: Snapshot, c: Candidate, rung: int, place: str) -> SetCandidate:
    reason = f"not promoted from rung {rung + 1}: {s.words(s.score(c, rung))}, {place}"
    return reject(c, reason, score=s.stored_score(c, rung))

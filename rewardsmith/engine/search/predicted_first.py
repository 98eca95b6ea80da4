"""Predicted first: the candidates of a round train one at a time, in the order of their predicted difficulty.

If the prediction is right, one trial finds what successive halving finds with a trial of every candidate. If it is
wrong, successive halving follows, and only time is lost. docs/certificate.md describes the prediction.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from rewardsmith.engine.search.halving import Halving
from rewardsmith.engine.search.job_budget import JobBudget
from rewardsmith.engine.search.round_end import end_round
from rewardsmith.engine.search.snapshot import Snapshot, target_of
from rewardsmith.engine.search.steps import Step, reject
from rewardsmith.engine.search.trainings import first_trials, trials_of_rung
from rewardsmith.storage.queue import OPEN
from rewardsmith.storage.records import Candidate


@dataclass(frozen=True)
class PredictedFirst:
    """Trains the candidates of a round one at a time until one reaches the target.

    1. Take the candidate with the smallest predicted difficulty that has not trained yet; a program that a person
       added comes before all others. Train it to the first rung.
    2. Reject it if its trial failed.
    3. Set it aside if it has trained for the fraction `enough` of its steps and its success is below `hopeless`, both
       at the end and over the last third of the curve. Also set it aside if the budget does not allow its next rung.
       Otherwise train it to the next rung and continue with step 2.
    4. If its trial is complete and its success has reached the target, reject the candidates that have not trained or
       were set aside, and end the round.
    5. Otherwise continue with step 1 for the next candidate.
    6. When every candidate has been tried, continue with successive halving (`otherwise`), which can resume those that
       were set aside.

    Attributes:
        number: The round, from 1.
        target: Success rate that ends the round, in (0, 1].
        otherwise: The strategy of step 6.
        enough: Fraction of the steps after which a candidate can be set aside. At a quarter of them good rewards often
            have no success yet.
        hopeless: Success rate below which it is set aside.
    """

    number: int
    target: float
    otherwise: Halving
    enough: float = 0.5
    hopeless: float = 0.05

    @classmethod
    def of(cls, s: Snapshot, number: int) -> PredictedFirst | None:
        """Create the strategy of a round; None if the job has no target, no prediction, or prefers halving."""
        predicted = any(s.predicted_key(c)[0] < math.inf for c in s.racers(number))
        target = target_of(s.spec)
        if s.spec.order != "predicted" or target is None or not predicted:
            return None
        return cls(number, target, Halving.of(s.spec, number))

    def next(self, s: Snapshot) -> list[Step]:
        """Return the next steps of the round: trials, rejections, or its end. Empty while a trial is running."""
        begun = s.begun(self.number)
        if any(i.state in OPEN for c in begun for i in s.items_of("train", candidate=c.id)):
            return []
        for c in (c for c in begun if c.state != "rejected"):
            rung = max(i.key.rung for i in s.items_of("train", candidate=c.id))
            if fault := s.fault(c, rung):
                return [reject(c, fault)]
            if rung == s.last_rung:
                if s.score(c, rung) >= self.target:
                    return self._left_behind(s, c) or end_round(s, self.number)
            elif not self._is_hopeless(s, c, rung) and JobBudget(s).affords_training(rung + 1):
                return trials_of_rung(s, c, rung + 1)
        ready = s.ready(self.number)
        if not ready:
            return self.otherwise.next(s)
        # A person who adds a program wants to see it trained.
        return first_trials(s, min(ready, key=lambda c: (c.kind == "designed", s.predicted_key(c))))

    def _is_hopeless(self, s: Snapshot, c: Candidate, rung: int) -> bool:
        tried = s.spec.rungs[rung] >= self.enough
        return tried and max(s.score(c, rung), s.score(c, rung, "late")) < self.hopeless

    def _left_behind(self, s: Snapshot, first: Candidate) -> list[Step]:
        """Reject the candidates that need no training because `first` has reached the target."""
        needless = f"not trained: {first.id}, predicted to learn sooner, reached the target"
        steps: list[Step] = [reject(c, needless) for c in s.ready(self.number)]
        for c in s.begun(self.number):
            rung = s.rung_reached(c)
            if c.state != "rejected" and rung < s.last_rung:
                cause = f"given up after {s.spec.rungs[rung]:.0%} of its steps: {s.words(s.score(c, rung))}"
                steps.append(reject(c, cause, score=s.stored_score(c, rung)))
        return steps

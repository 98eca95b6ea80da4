"""Predicted first: a round's candidates train one after the other, the one predicted to learn soonest first.

Where the prediction is right, one trial finds what halving finds with a trial of every candidate; where it is wrong,
halving follows and nothing is lost but time (docs/check.md has the figures of the predicted difficulty).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from rewardsmith.engine.search.halving import Halving
from rewardsmith.engine.search.job_budget import JobBudget
from rewardsmith.engine.search.round_end import end_round
from rewardsmith.engine.search.snapshot import Snapshot
from rewardsmith.engine.search.steps import Step, death
from rewardsmith.engine.search.trainings import first_trials, trials_of_rung
from rewardsmith.storage.queue import OPEN
from rewardsmith.storage.records import Candidate


@dataclass(frozen=True)
class PredictedFirst:
    """Trains one candidate of a round at a time; once one reaches the target, nobody else trains.

    number: the round, from 1. target: success, of [0, 1], that ends the round. otherwise: who decides once all have
    been tried in vain, those given up half-way included.

    A candidate makes way for the next one when it has at most `hopeless` success after the share `enough` of its
    steps: the next one is worth more than the other half. At a quarter of the steps good rewards, too, have often
    brought none yet.
    """

    number: int
    target: float
    otherwise: Halving
    enough: float = 0.5
    hopeless: float = 0.05

    @classmethod
    def of(cls, s: Snapshot, number: int) -> PredictedFirst | None:
        """With the job's settings, for round `number`; None without a target, a prediction, or the user's wish."""
        predicted = any(s.predicted_key(c)[0] < math.inf for c in s.racers(number))
        if not s.spec.favourite_first or s.spec.target is None or not predicted:
            return None
        return cls(number, s.spec.target, Halving.of(s.spec, number))

    def next(self, s: Snapshot) -> list[Step]:
        """The next training, the deaths of those made needless, or the round's end; empty while one is under way."""
        begun = s.begun(self.number)
        if any(i.state in OPEN for c in begun for i in s.items_of("train", candidate=c.id)):
            return []
        for c in (c for c in begun if c.state != "dead"):
            rung = max(i.key.rung for i in s.items_of("train", candidate=c.id))
            if fault := s.fault(c, rung):
                return [death(c, fault)]
            if rung == s.last_rung:
                if s.score(c, rung) >= self.target:
                    return self._left_behind(s, c) or end_round(s, self.number)
            elif not self._is_hopeless(s, c, rung) and JobBudget(s).affords_training(rung + 1):
                return trials_of_rung(s, c, rung + 1)
        ready = s.ready(self.number)
        if not ready:
            return self.otherwise.next(s)
        # A person's own program is what they want to see trained.
        return first_trials(s, min(ready, key=lambda c: (c.kind == "designed", s.predicted_key(c))))

    def _is_hopeless(self, s: Snapshot, c: Candidate, rung: int) -> bool:
        tried = s.spec.rungs[rung] >= self.enough
        return tried and max(s.score(c, rung), s.score(c, rung, "late")) < self.hopeless

    def _left_behind(self, s: Snapshot, first: Candidate) -> list[Step]:
        """The deaths of those who need no training any more, now that `first` has reached the target."""
        needless = f"not trained: {first.id}, predicted to learn sooner, reached the target"
        steps: list[Step] = [death(c, needless) for c in s.ready(self.number)]
        for c in s.begun(self.number):
            rung = s.rung_reached(c)
            if c.state != "dead" and rung < s.last_rung:
                success = s.score(c, rung)
                cause = f"given up after {s.spec.rungs[rung]:.0%} of its steps: {success:.0%} success"
                steps.append(death(c, cause, score=success))
        return steps

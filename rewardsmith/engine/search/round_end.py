"""The end of a round: retraining, scores, analysis, and the job's new best candidate."""

from __future__ import annotations

from rewardsmith.engine.search.job_budget import JobBudget
from rewardsmith.engine.search.retraining import retrain
from rewardsmith.engine.search.snapshot import Snapshot, reaches_target
from rewardsmith.engine.search.steps import AddItem, SetBest, SetCandidate, SetIteration, Step
from rewardsmith.storage.queue import ItemKey
from rewardsmith.storage.records import Candidate

_READ = 2
"""Number of a round's best candidates that the analyzer reads."""


def end_round(s: Snapshot, number: int) -> list[Step]:
    """Return the next steps towards the end of a round whose trials have ended. Empty while work is running.

    1. Unless a complete trial has reached the target, retrain the candidates whose diagnosis calls for it
       (retraining.py).
    2. Store each candidate's success, or its mean score, at the last rung that it reached as its score.
    3. Let the analyzer read the two best candidates, if the job designs programs and its budget allows the calls.
    4. Store the job's best candidate and close the round.
    """
    racers = s.begun(number)
    if not _reached_target(s, racers) and (again := retrain(s, racers)):
        return again
    steps: list[Step] = [
        SetCandidate(c.id, {"state": "trained", "score": s.stored_score(c, s.rung_reached(c))})
        for c in racers
        if c.state == "passed" and s.rung_reached(c) >= 0
    ]
    ranked = [c for c in s.ranking() if c.iteration == number]
    wanted = ranked[:_READ] if JobBudget(s).affords_calls() and s.spec.searches else []
    analyses = [AddItem(ItemKey(s.job.id, "analyse", number, c.id)) for c in wanted]
    steps += [a for a in analyses if not s.items_of("analyse", candidate=a.key.candidate)]
    if steps or s.under_way(number, "analyse"):
        return steps
    return _close(s, number)


def _reached_target(s: Snapshot, racers: list[Candidate]) -> bool:
    return any(reaches_target(s, c) for c in racers)


def _close(s: Snapshot, number: int) -> list[Step]:
    ranked = s.ranking()
    if not ranked:
        return [SetIteration(number, "done", "no candidate was trained")]
    return [SetBest(ranked[0].id), SetIteration(number, "done", f"best {ranked[0].id}")]

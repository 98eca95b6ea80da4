"""Who trains next in a round: one after the other by prediction where there is one, else rungs that halve the field."""

from __future__ import annotations

import math

from rewardsmith.engine.search.job_budget import affords_calls, affords_training
from rewardsmith.engine.search.ranking import (
    predicted_key,
    promote,
    rank_key,
    ranking,
    rung_reached,
    score_at,
    train_items,
    trainings,
)
from rewardsmith.engine.search.retraining import go_on, retrain
from rewardsmith.engine.search.snapshot import Snapshot
from rewardsmith.engine.search.steps import AddItem, SetBest, SetCandidate, SetIteration, Step, death
from rewardsmith.storage.queue import OPEN, ItemKey
from rewardsmith.storage.records import Candidate

_HALF, _NEXT_TO_NONE = 0.5, 0.05
"""A favourite that has at most this success after this share of its steps makes way for the next."""


def train_or_finish(s: Snapshot, number: int, mine: list[Candidate]) -> list[Step]:
    """The next trainings of a round whose designs, repairs and checks are done, or its end. `mine`: its candidates."""
    if begun := [c for c in mine if c.retrains]:
        # Who is ahead, and who trains next, must not depend on which of these is done sooner.
        return go_on(s, begun)
    ready = sorted((c for c in mine if c.state == "passed" and not _trains(s, c)), key=lambda c: predicted_key(s, c))
    if _has_favourite(s, mine):
        steps = _favourite_first(s, number, mine, ready)
        if steps is not None:
            return steps
    steps = []
    for candidate in ready:
        steps += _begin(s, candidate, len([x for x in steps if isinstance(x, AddItem)]))
    return steps or _race(s, number, [c for c in mine if _trains(s, c)])


def _trains(s: Snapshot, c: Candidate) -> bool:
    return bool(s.items_of("train", candidate=c.id))


def _begin(s: Snapshot, c: Candidate, queued: int) -> list[Step]:
    if not affords_training(s, 0, s.spec.seeds, queued):
        return [death(c, "not trained: the budget of environment steps is spent")]
    return train_items(s, c, 0)


# --- favourites -------------------------------------------------------------------------------------------


def _has_favourite(s: Snapshot, mine: list[Candidate]) -> bool:
    predicted = any(predicted_key(s, c)[0] < math.inf for c in mine)
    return s.spec.favourite_first and s.spec.target is not None and predicted


def _favourite_first(s: Snapshot, number: int, mine: list[Candidate], ready: list[Candidate]) -> list[Step] | None:
    """One after the other, the one predicted to learn soonest first; once one reaches the target nobody else trains.

    Empty while something is under way; None once all have been tried in vain, and those given up half-way race.
    """
    last = len(s.spec.rungs) - 1
    begun = [c for c in mine if _trains(s, c)]
    if any(i.state in OPEN for c in begun for i in s.items_of("train", candidate=c.id)):
        return []
    for c in (c for c in begun if c.state != "dead"):
        rung = max(i.key.rung for i in s.items_of("train", candidate=c.id))
        if fault := _fault(s, c, rung):
            return [fault]
        if rung == last and score_at(s, c, rung) >= (s.spec.target or 1.0):
            return _left_behind(s, c, begun, ready) or _after_race(s, number, begun)
        if rung < last and not _hopeless(s, c, rung) and affords_training(s, rung + 1, s.spec.seeds):
            return train_items(s, c, rung + 1)
    # A person's own program is what they want to see trained.
    if not ready:
        return None
    return _begin(s, min(ready, key=lambda c: (c.kind == "designed", predicted_key(s, c))), 0)


def _left_behind(s: Snapshot, first: Candidate, begun: list[Candidate], ready: list[Candidate]) -> list[Step]:
    """The deaths of those who need no training any more, now that `first` has reached the target."""
    steps: list[Step] = [
        death(c, f"not trained: {first.id}, predicted to learn sooner, reached the target") for c in ready
    ]
    for c in begun:
        rung = rung_reached(s, c)
        if c.state != "dead" and rung < len(s.spec.rungs) - 1:
            success = score_at(s, c, rung)
            cause = f"given up after {s.spec.rungs[rung]:.0%} of its steps: {success:.0%} success"
            steps.append(death(c, cause, score=success))
    return steps


def _hopeless(s: Snapshot, c: Candidate, rung: int) -> bool:
    """Whether half of the steps or more brought next to no success: the next one is worth more than the other half.

    At a quarter of the steps good rewards, too, have often brought none yet.
    """
    enough = s.spec.rungs[rung] >= _HALF
    return enough and max(score_at(s, c, rung), score_at(s, c, rung, "late")) < _NEXT_TO_NONE


# --- racing ---------------------------------------------------------------------------------------------


def _race(s: Snapshot, number: int, racers: list[Candidate]) -> list[Step]:
    """Successive halving. A rung is a barrier: promotion looks at results only, never at arrival."""
    for rung in range(len(s.spec.rungs)):
        here = [c for c in racers if trainings(s, c, rung)]
        if any(i.state in OPEN for c in here for i in trainings(s, c, rung)):
            return []
        deaths = [d for c in here if c.state != "dead" and (d := _fault(s, c, rung))]
        if deaths:
            return list(deaths)
        alive = sorted((c for c in here if not _fault(s, c, rung)), key=lambda c: rank_key(s, c, rung))
        if rung == len(s.spec.rungs) - 1 or not alive:
            return _after_race(s, number, racers)
        ahead = [c for c in alive if trainings(s, c, rung + 1)]
        promoted = promote(s, alive, rung)
        left = [c for c in alive if c not in promoted and c not in ahead]
        steps = retrain(s, left) or _cross_rung(s, alive, ahead, rung)
        if steps or not ahead:
            return steps or _after_race(s, number, racers)
    return _after_race(s, number, racers)


def _cross_rung(s: Snapshot, alive: list[Candidate], ahead: list[Candidate], rung: int) -> list[Step]:
    """Who of `alive`, best first, goes on and who is given up; those `ahead` have gone on before."""
    steps: list[Step] = []
    promoted = promote(s, alive, rung)
    for place, candidate in enumerate(alive):
        if candidate in ahead or candidate.state == "dead":
            continue
        success = score_at(s, candidate, rung)
        queued = len([x for x in steps if isinstance(x, AddItem)])
        if candidate in promoted and affords_training(s, rung + 1, s.spec.seeds, queued):
            steps += train_items(s, candidate, rung + 1)
        elif candidate not in promoted:
            cause = f"not promoted from rung {rung + 1}: {success:.0%} success, place {place + 1} of {len(alive)}"
            steps.append(death(candidate, cause, score=success))
    return steps


def _fault(s: Snapshot, c: Candidate, rung: int) -> SetCandidate | None:
    for item in trainings(s, c, rung):
        if item.state != "done":
            return death(c, f"its trial was lost: {item.error}")
        if (item.result or {}).get("fault"):
            return death(c, f"it failed in training: {item.result['fault']}")  # type: ignore[index]
    return None


def _after_race(s: Snapshot, number: int, racers: list[Candidate]) -> list[Step]:
    last, target = len(s.spec.rungs) - 1, s.spec.target
    reached = any(rung_reached(s, c) == last and score_at(s, c, last) >= (target or math.inf) for c in racers)
    if not reached and (again := retrain(s, racers)):
        return again
    steps: list[Step] = []
    for c in racers:
        rung = rung_reached(s, c)
        if c.state == "passed" and rung >= 0:
            steps.append(SetCandidate(c.id, {"state": "trained", "score": score_at(s, c, rung)}))
    ranked = [c for c in ranking(s) if c.iteration == number]
    wanted = ranked[:2] if affords_calls(s) and s.spec.searches else []
    analyses = [AddItem(ItemKey(s.job.id, "analyse", number, c.id)) for c in wanted]
    steps += [a for a in analyses if not s.items_of("analyse", candidate=a.key.candidate)]
    if steps or any(i.state in OPEN for i in s.items_of("analyse", iteration=number)):
        return steps
    overall = ranking(s)
    summary = f"best {overall[0].id}" if overall else "no candidate was trained"
    closing: list[Step] = [SetIteration(number, "done", summary)]
    return [SetBest(overall[0].id), *closing] if overall else closing

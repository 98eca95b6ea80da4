"""The job as a state machine: from its rows to the next steps. Pure: reads a Snapshot, writes nothing.

Called twice on the same rows it gives the same steps, and applying a step twice changes nothing, so any
process may advance any job at any time.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from rewardsmith.engine.racing import predicted_key, promote, rank_key, ranking, rung_reached, score_at
from rewardsmith.engine.snapshot import Snapshot
from rewardsmith.programs.duplicates import normal_form
from rewardsmith.storage.queue import OPEN, Item, ItemKey
from rewardsmith.storage.records import Candidate

CONFIRM_SEEDS_FROM = 10_000


@dataclass(frozen=True)
class AddItem:
    """Queue a work item."""

    key: ItemKey
    payload: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class SetIteration:
    """Open or close a round."""

    number: int
    state: str
    summary: str | None = None


@dataclass(frozen=True)
class SetCandidate:
    """Change what is known of a candidate."""

    id: str
    values: dict[str, Any]


@dataclass(frozen=True)
class SetBest:
    """The job's best candidate so far."""

    candidate: str


@dataclass(frozen=True)
class FinishJob:
    """The job has come to its end."""

    state: str
    note: str


Step = AddItem | SetIteration | SetCandidate | SetBest | FinishJob


def decide(s: Snapshot) -> list[Step]:
    """The next steps of a job; empty while work is under way or the job is not running."""
    if s.job.state != "running":
        return []
    current = s.iterations[-1] if s.iterations else None
    if current is None:
        return _open_iteration(s, 1)
    if current.state == "running":
        return _advance_iteration(s, current.number)
    reason = _why_stop_searching(s, current.number)
    if reason is None:
        return _open_iteration(s, current.number + 1)
    return _confirm(s, reason)


# --- rounds ---------------------------------------------------------------------------------------------


def _open_iteration(s: Snapshot, number: int) -> list[Step]:
    steps: list[Step] = [SetIteration(number, "running")]
    ranked = ranking(s)
    for sample in range(s.spec.samples):
        key = ItemKey(s.job.id, "design", iteration=number, sample=sample)
        move = choose_move(sample, number, ranked)
        parents = [c.id for c in ranked[: {"new": 0, "revise": 1, "combine": 2}[move]]]
        steps.append(AddItem(key, {"move": move, "parents": parents}))
    return steps


_STUCK = 2
"""Rounds without a better program after which revising the best gives way to new ideas."""


def choose_move(sample: int, number: int, ranked: list[Candidate]) -> str:
    """How sample `sample` of round `number` is designed, by what the search has reached.

    The first revises the best, the second combines the two best, all others are new. When the last rounds
    brought nothing better the first combines and the rest is new; where nothing ever succeeded there is
    nothing to combine.
    """
    if not ranked:
        return "new"
    stuck = number - 1 - ranked[0].iteration >= _STUCK
    works = [c for c in ranked if (c.score or 0.0) > 0.0]
    if sample == 0:
        return "combine" if stuck and len(works) > 1 else "new" if stuck else "revise"
    return "combine" if sample == 1 and not stuck and len(works) > 1 else "new"


def _advance_iteration(s: Snapshot, number: int) -> list[Step]:
    steps: list[Step] = []
    mine = [c for c in s.candidates if c.iteration == number and c.kind != "baseline" and c.state != "vetoed"]
    if any(i.key.candidate == "" and i.state in OPEN for i in s.items_of("design", iteration=number)):
        return []  # twins are told apart, and budgets shared out, once the whole round is designed
    for candidate in mine:
        steps += _before_training(s, candidate)
    # With a limit, who is trained must not depend on whose check ended first, so repairs are waited for, too.
    awaited = ("check",) if s.spec.budget.env_steps is None else ("check", "design")
    if not any(isinstance(x, AddItem) and x.key.kind in awaited for x in steps) and not _open(s, number, *awaited):
        for candidate in sorted(mine, key=lambda c: predicted_key(s, c)):
            steps += _begin_training(s, candidate, len([x for x in steps if isinstance(x, AddItem)]))
    if steps or _open(s, number, "design", "check"):
        return steps
    return _race(s, number, [c for c in mine if s.items_of("train", candidate=c.id)])


def _twin(s: Snapshot, c: Candidate) -> Candidate | None:
    """An earlier candidate with the same program; repairs of one round are not compared with each other."""
    mine = (c.iteration, repair_depth(s, c))

    def is_earlier(o: Candidate) -> bool:
        theirs = (o.iteration, repair_depth(s, o))
        return theirs < mine or (theirs == mine == (c.iteration, 0) and o.sample < c.sample)

    earlier = [o for o in s.candidates if o.source and is_earlier(o)]
    form = normal_form(c.source)
    return next((o for o in earlier if o.source_hash == c.source_hash or normal_form(o.source) == form), None)


def _begin_training(s: Snapshot, c: Candidate, queued: int) -> list[Step]:
    if c.state != "passed" or s.items_of("train", candidate=c.id):
        return []
    if not affords_training(s, 0, s.spec.seeds, queued):
        return [_death(c, "not trained: the budget of environment steps is spent")]
    return _train_items(s, c, 0)


def _before_training(s: Snapshot, c: Candidate) -> list[Step]:
    key = {"job_id": s.job.id, "iteration": c.iteration, "candidate": c.id}
    if c.state == "designed" and not s.items_of("check", candidate=c.id) and (twin := _twin(s, c)):
        return [_death(c, f"the same program as {twin.id}; nothing new to train")]
    if c.state == "designed" and not s.items_of("check", candidate=c.id):
        return [AddItem(ItemKey(kind="check", sample=c.sample, **key))]
    lost = [i for i in s.items_of("check", candidate=c.id) if i.state == "lost"]
    if c.state == "designed" and lost:
        return [_death(c, f"its check was lost: {lost[0].error}")]
    failed = [i for i in s.items_of("check", candidate=c.id) if (i.result or {}).get("passed") is False]
    if c.state == "dead" and failed and repair_depth(s, c) < s.spec.repairs and affords_calls(s):
        repair = ItemKey(kind="design", sample=c.sample, **key)
        if not s.items_of("design", candidate=c.id):
            return [AddItem(repair, {"move": "repair", "parents": [c.id]})]
    return []


def repair_depth(s: Snapshot, candidate: Candidate) -> int:
    """How many repairs led to this candidate."""
    by_id = {c.id: c for c in s.candidates}
    depth = 0
    while candidate.move == "repair":
        depth += 1
        candidate = by_id[candidate.parents[0]]
    return depth


# --- racing ---------------------------------------------------------------------------------------------


def _train_items(s: Snapshot, c: Candidate, rung: int) -> list[Step]:
    return [
        AddItem(ItemKey(s.job.id, "train", c.iteration, c.id, seed=search_seed(s, k), rung=rung))
        for k in range(s.spec.seeds)
    ]


def search_seed(s: Snapshot, index: int) -> int:
    """Training seeds of the search; disjoint from those of the claim."""
    return s.spec.seed * 100 + index


def confirm_seed(s: Snapshot, index: int) -> int:
    """Fresh training seeds of the claim."""
    return CONFIRM_SEEDS_FROM + s.spec.seed * 100 + index


def _race(s: Snapshot, number: int, racers: list[Candidate]) -> list[Step]:
    """Successive halving. A rung is a barrier: promotion looks at results only, never at arrival."""
    for rung in range(len(s.spec.rungs)):
        here = [c for c in racers if s.items_of("train", candidate=c.id, rung=rung)]
        if any(i.state in OPEN for c in here for i in s.items_of("train", candidate=c.id, rung=rung)):
            return []
        deaths = [d for c in here if c.state != "dead" and (d := _fault(s, c, rung))]
        if deaths:
            return list(deaths)
        alive = sorted((c for c in here if not _fault(s, c, rung)), key=lambda c: rank_key(s, c, rung))
        if rung == len(s.spec.rungs) - 1 or not alive:
            return _after_race(s, number, racers)
        promoted = promote(s, alive, rung)
        if any(s.items_of("train", candidate=c.id, rung=rung + 1) for c in promoted):
            continue
        return _cross_rung(s, alive, promoted, rung) or _after_race(s, number, racers)
    return _after_race(s, number, racers)


def _cross_rung(s: Snapshot, alive: list[Candidate], promoted: list[Candidate], rung: int) -> list[Step]:
    steps: list[Step] = []
    for place, candidate in enumerate(alive):
        success = score_at(s, candidate, rung)
        queued = len([x for x in steps if isinstance(x, AddItem)])
        if candidate in promoted and affords_training(s, rung + 1, s.spec.seeds, queued):
            steps += _train_items(s, candidate, rung + 1)
        elif candidate.state != "dead" and candidate not in promoted:
            cause = f"not promoted from rung {rung + 1}: {success:.0%} success, place {place + 1} of {len(alive)}"
            steps.append(_death(candidate, cause, score=success))
    return steps


def _fault(s: Snapshot, c: Candidate, rung: int) -> SetCandidate | None:
    for item in s.items_of("train", candidate=c.id, rung=rung):
        if item.state != "done":
            return _death(c, f"its trial was lost: {item.error}")
        if (item.result or {}).get("fault"):
            return _death(c, f"it failed in training: {item.result['fault']}")  # type: ignore[index]
    return None


def _death(c: Candidate, cause: str, score: float | None = None) -> SetCandidate:
    values: dict[str, Any] = {"state": "dead", "cause_of_death": cause}
    return SetCandidate(c.id, values if score is None else {**values, "score": score})


def _after_race(s: Snapshot, number: int, racers: list[Candidate]) -> list[Step]:
    steps: list[Step] = []
    for c in racers:
        rung = rung_reached(s, c)
        if c.state == "passed" and rung >= 0:
            steps.append(SetCandidate(c.id, {"state": "trained", "score": score_at(s, c, rung)}))
    ranked = [c for c in ranking(s) if c.iteration == number]
    wanted = ranked[:2] if affords_calls(s) and s.spec.searches else []
    analyses = [AddItem(ItemKey(s.job.id, "analyse", number, c.id)) for c in wanted]
    steps += [a for a in analyses if not s.items_of("analyse", candidate=a.key.candidate)]
    if steps or _open(s, number, "analyse"):
        return steps
    overall = ranking(s)
    summary = f"best {overall[0].id}" if overall else "no candidate was trained"
    closing: list[Step] = [SetIteration(number, "done", summary)]
    return [SetBest(overall[0].id), *closing] if overall else closing


# --- the end --------------------------------------------------------------------------------------------


def _why_stop_searching(s: Snapshot, done: int) -> str | None:
    best = ranking(s)
    last = len(s.spec.rungs) - 1
    reached = score_at(s, best[0], last) if best and rung_reached(s, best[0]) == last else 0.0
    if s.spec.target is not None and reached >= s.spec.target:
        return f"reached the target of {s.spec.target:.0%} in iteration {done}"
    if done >= s.spec.iterations:
        return f"all {done} iterations are done"
    if not affords_calls(s, s.spec.samples):
        return "the budget for language-model calls is spent"
    if not affords_training(s, 0, s.spec.seeds):
        return "the budget of environment steps is spent"
    return None


def _confirm(s: Snapshot, reason: str) -> list[Step]:
    best = ranking(s)
    if not best:
        return [FinishJob("failed", f"No candidate was trained to a result; {reason}.")]
    baseline = next(c for c in s.candidates if c.kind == "baseline")
    keys = [
        ItemKey(s.job.id, "confirm", candidate=arm.id, seed=confirm_seed(s, k))
        for k in range(s.spec.confirm)
        for arm in (best[0], baseline)
    ]
    missing = [AddItem(k) for k in keys if not s.items_of("confirm", candidate=k.candidate, seed=k.seed)]
    if missing:
        return list(missing)
    if any(i.state in OPEN for i in s.items):
        return []
    confirms = [i for i in s.items_of("confirm") if i.key.candidate in (best[0].id, baseline.id)]
    lost = sum(i.state != "done" for i in confirms)
    faulted = sum(bool((i.result or {}).get("fault")) for i in confirms)
    note = f"The search ended: {reason}."
    if lost:
        note += f" {lost} of {len(confirms)} trials of the claim were lost and are missing from it."
    if faulted:
        note += f" {faulted} of {len(confirms)} trials of the claim failed and count as no success."
    return [FinishJob("done", note)]


def _open(s: Snapshot, iteration: int, *kinds: str) -> list[Item]:
    return [i for i in s.items if i.key.iteration == iteration and i.key.kind in kinds and i.state in OPEN]


# --- budgets --------------------------------------------------------------------------------------------


def confirm_reserve(s: Snapshot) -> int:
    """Environment steps set aside for the claim before the search begins."""
    return 2 * s.spec.confirm * s.spec.steps


def affords_training(s: Snapshot, rung: int, seeds: int, queued: int = 0) -> bool:
    """Whether one more candidate may train to `rung` with all that was promised and the claim still paid for.

    `queued` items of the same rung are being added by the same decision. What is counted is what items were
    promised, not how far they are: live progress would make decisions depend on timing.
    """
    limit = s.spec.budget.env_steps
    if limit is None:
        return True
    shares = (0.0, *s.spec.rungs)
    promised = sum(
        (shares[i.key.rung + 1] - shares[i.key.rung]) * s.spec.steps
        for i in s.items_of("train")
        if i.state != "cancelled"
    )
    promised += (s.spec.rungs[0] if s.spec.confirm else 1.0) * s.spec.steps * len(s.items_of("baseline"))
    more = (shares[rung + 1] - shares[rung]) * s.spec.steps * (seeds + queued)
    return promised + more + confirm_reserve(s) <= limit


def affords_calls(s: Snapshot, count: int = 1) -> bool:
    """Whether `count` more calls may be queued; each call is checked again before it is made (limits.py)."""
    budget, used = s.spec.budget, s.used
    pending = sum(1 for i in s.items if i.key.kind in ("design", "analyse") and i.state in OPEN)
    if budget.calls is not None and used.calls + pending + count > budget.calls:
        return False
    mean_tokens = used.tokens / used.calls if used.calls else 0.0
    if budget.tokens is not None and used.tokens + mean_tokens * (pending + count) >= budget.tokens:
        return False
    return budget.dollars is None or used.dollars < budget.dollars

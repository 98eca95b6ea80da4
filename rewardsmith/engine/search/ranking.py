"""Who is ahead: scores, ranks and promotion of the candidates of a job, from its rows alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from rewardsmith.engine.search.snapshot import Snapshot
from rewardsmith.engine.search.steps import AddItem, Step
from rewardsmith.reporting.proportion import wilson
from rewardsmith.storage.queue import Item, ItemKey
from rewardsmith.storage.records import Candidate

AGAIN = 1
"""`sample` in the key of a work item that trains with a candidate's adjusted settings; -1: with the job's own."""

_FINALISTS = 2
"""At least so many go on at every rung: on one seed the end of a curve is noisy, and two slots train both at once."""


def search_seed(s: Snapshot, index: int) -> int:
    """Training seeds of the search; disjoint from those of the claim."""
    return s.spec.seed * 100 + index


def train_items(s: Snapshot, c: Candidate, rung: int) -> list[Step]:
    """The trials of a candidate's next rung, one per seed, with the settings that stand for it."""
    if c.retrained_from is not None:
        return items_again(s, c, c.adjustment or {}, rung)
    return _items(s, c, rung, -1, {})


def items_again(s: Snapshot, c: Candidate, adjustment: Mapping[str, Any], rung: int) -> list[Step]:
    """The trials of a rung with adjusted settings, one per seed."""
    return _items(s, c, rung, AGAIN, {k: adjustment[k] for k in ("training", "weights") if k in adjustment})


def _items(s: Snapshot, c: Candidate, rung: int, sample: int, settings: dict[str, Any]) -> list[Step]:
    keys = [ItemKey(s.job.id, "train", c.iteration, c.id, search_seed(s, k), rung, sample) for k in range(s.spec.seeds)]
    return [AddItem(key, settings) for key in keys]


def trainings(s: Snapshot, c: Candidate, rung: int | None = None) -> list[Item]:
    """The work items whose trials stand for a candidate, at one rung or at all.

    From the rung on at which trials with adjusted settings did better, these; else those with the job's own.
    """
    first = c.retrained_from
    return [
        i
        for i in s.items_of("train", candidate=c.id)
        if (rung is None or i.key.rung == rung)
        and (i.key.sample == AGAIN) == (first is not None and i.key.rung >= first)
    ]


def promote(s: Snapshot, alive: Sequence[Candidate], rung: int) -> list[Candidate]:
    """Who goes on from `rung`, of candidates ranked best first: a share of them, at least two.

    Where the leader has surely reached the job's target already, those surely behind it are left out.
    """
    kept = list(alive[: max(_FINALISTS, math.ceil(len(alive) * s.spec.keep))])
    low, _ = _interval(s, kept[0], rung)
    if s.spec.target is None or min(low, score_at(s, kept[0], rung, "late")) < s.spec.target:
        return kept
    return [c for c in kept if c is kept[0] or _interval(s, c, rung)[1] >= low]


def _interval(s: Snapshot, c: Candidate, rung: int) -> tuple[float, float]:
    """Wilson, 95 %, of the success at a rung's end, all seeds together."""
    results = [i.result or {} for i in trainings(s, c, rung)]
    # Results of an older version do not say on how many episodes they rest.
    episodes = sum(r.get("episodes", s.spec.training.eval_episodes) for r in results if not r.get("fault"))
    episodes = episodes or s.spec.training.eval_episodes * s.spec.seeds
    return wilson(round(score_at(s, c, rung) * episodes), episodes)


def score_at(s: Snapshot, c: Candidate, rung: int, measure: str = "success") -> float:
    """Mean over seeds of a rung's `measure`: "success" of its final weights, "late" (mean success over the last
    third of its evaluations), "area" (over all of them), or "train_success" of its training episodes."""
    return mean_result(trainings(s, c, rung), measure)


def mean_result(items: Sequence[Item], measure: str) -> float:
    """Mean of a measure over trials that ended without a fault; 0 if there is none."""
    results = [i.result for i in items if i.result]
    # Results of an older version may lack a measure; success stands in for it.
    clean = [r.get(measure, r["success"]) for r in results if not r.get("fault")]
    return sum(clean) / len(clean) if clean else 0.0


def rank_key(s: Snapshot, c: Candidate, rung: int) -> tuple[float, float, float, str]:
    """Sort key, best first: final success and the last third of the curve in equal parts, then the whole curve.

    One evaluation of one seed is noisy, and a policy that stayed good is more likely to be good again. With the
    whole curve in place of its last third, rewards that teach fast and then forget were preferred; at an early rung
    half of the curve is still the rise, and a reward that had reached 100 % somewhat later was given up for two that
    fell to 95 and 80 %.
    Ties, as where nothing has succeeded yet, fall to the predicted difficulty and then to the id, so that the order
    never depends on arrival.
    """
    merit = (score_at(s, c, rung) + score_at(s, c, rung, "late")) / 2
    return (-merit, -score_at(s, c, rung, "area"), *predicted_key(s, c))


def rung_reached(s: Snapshot, c: Candidate) -> int:
    """The last rung at which the candidate has results, or -1."""
    rungs = [i.key.rung for i in trainings(s, c) if i.result and not i.result.get("fault")]
    return max(rungs, default=-1)


def ranking(s: Snapshot) -> list[Candidate]:
    """All trained candidates of the job, best first: by rung reached, then by success."""
    # A fault is never scored, whatever other seeds or earlier rungs of the candidate reached.
    trained = [c for c in s.candidates if rung_reached(s, c) >= 0 and not _faulted(s, c) and c.state != "vetoed"]
    return sorted(trained, key=lambda c: (-rung_reached(s, c), *rank_key(s, c, rung_reached(s, c))))


def predicted_key(s: Snapshot, c: Candidate) -> tuple[float, str]:
    """Sort key of candidates that may train, the one predicted to learn soonest first, then by id."""
    found = [(i.result or {}).get("difficulty") for i in s.items_of("check", candidate=c.id)]
    return (min((d for d in found if d is not None), default=math.inf), c.id)


def _faulted(s: Snapshot, c: Candidate) -> bool:
    return any(i.state in ("lost", "failed") or (i.result or {}).get("fault") for i in trainings(s, c))

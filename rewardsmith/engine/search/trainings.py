"""The work items that train a candidate: its first rung, its later rungs, and its retraining."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rewardsmith.engine.search.job_budget import JobBudget
from rewardsmith.engine.search.snapshot import AGAIN, Snapshot
from rewardsmith.engine.search.steps import AddItem, Step, reject
from rewardsmith.seeds import search_seed
from rewardsmith.storage.queue import ItemKey
from rewardsmith.storage.records import Candidate


def first_trials(s: Snapshot, c: Candidate, queued: int = 0) -> list[Step]:
    """Queue the trials of a candidate's first rung, or reject it if the budget is spent (`queued`: see JobBudget)."""
    if not JobBudget(s).affords_training(0, queued):
        return [reject(c, "not trained: the budget of environment steps is spent")]
    return trials_of_rung(s, c, 0)


def trials_of_rung(s: Snapshot, c: Candidate, rung: int) -> list[Step]:
    """Queue the trials of a candidate at a rung, one per seed, with the settings that stand for it."""
    if c.retrained_from is not None:
        return adjusted_trials(s, c, c.adjustment or {}, rung)
    return _trials(s, c, rung, -1, {})


def adjusted_trials(s: Snapshot, c: Candidate, adjustment: Mapping[str, Any], rung: int) -> list[Step]:
    """Queue the trials of a candidate at a rung with adjusted settings, one per seed."""
    return _trials(s, c, rung, AGAIN, {k: adjustment[k] for k in ("training", "weights") if k in adjustment})


def _trials(s: Snapshot, c: Candidate, rung: int, sample: int, settings: dict[str, Any]) -> list[Step]:
    seeds = [search_seed(s.spec.seed, k) for k in range(s.spec.seeds)]
    if s.spec.training.reuse and (donor := _donor(s, c)):
        settings = {**settings, "donor": donor}
    return [AddItem(ItemKey(s.job.id, "train", c.iteration, c.id, seed, rung, sample), settings) for seed in seeds]


def _donor(s: Snapshot, c: Candidate) -> str | None:
    """Return the candidate from whose transitions the trials of `c` begin; None if there is none.

    It is the best of the candidates that reached the last rung of all: it has the most transitions, and they come from
    the best policy. Before any candidate was trained it is the baseline. All trials of a candidate have the same donor.
    """
    earlier = s.items_of("train", candidate=c.id)
    if earlier:
        return earlier[0].payload.get("donor")
    ranked = [each.id for each in s.ranking() if each.id != c.id]
    trained = [i.key.candidate for i in s.items_of("baseline") if i.state == "done"]
    return next(iter([*ranked, *trained]), None)

"""What a job's budgets still pay for, by what its items were promised."""

from __future__ import annotations

from rewardsmith.engine.search.ranking import AGAIN
from rewardsmith.engine.search.snapshot import Snapshot
from rewardsmith.storage.queue import OPEN


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
    more = (shares[rung + 1] - shares[rung]) * s.spec.steps * (seeds + queued)
    return _promised(s) + more + confirm_reserve(s) <= limit


def affords_retraining(s: Snapshot, rung: int, queued: int = 0) -> bool:
    """Whether one more candidate may train once more, from the beginning to `rung`, with all else still paid for.

    `queued` trials of that length are being added by the same decision.
    """
    limit = s.spec.budget.env_steps
    more = s.spec.rungs[rung] * s.spec.steps * (s.spec.seeds + queued)
    return limit is None or _promised(s) + more + confirm_reserve(s) <= limit


def _promised(s: Snapshot) -> float:
    """Environment steps that the search's items were promised."""
    shares = (0.0, *s.spec.rungs)
    again = {c.id: c.adjustment for c in s.candidates if c.adjustment is not None}
    promised = 0.0
    for i in s.items_of("train"):
        if i.state != "cancelled":
            begins = i.key.sample == AGAIN and again[i.key.candidate]["rung"] == i.key.rung
            promised += (shares[i.key.rung + 1] - (0.0 if begins else shares[i.key.rung])) * s.spec.steps
    for c in s.candidates:
        # Its trials wait for the check of other weights.
        if c.retrains and c.state == "passed" and not s.items_of("train", candidate=c.id, sample=AGAIN):
            promised += s.spec.rungs[again[c.id]["rung"]] * s.spec.steps * s.spec.seeds
    return promised + (s.spec.rungs[0] if s.spec.confirm else 1.0) * s.spec.steps * len(s.items_of("baseline"))


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

"""The check before the claim: the candidate to be claimed is checked on more layouts, and the next best if it fails."""

from __future__ import annotations

from rewardsmith.engine.search.snapshot import BEFORE_CLAIM, Snapshot
from rewardsmith.engine.search.steps import AddItem, FinishJob, Step
from rewardsmith.storage.queue import OPEN, ItemKey
from rewardsmith.storage.records import Candidate


def check_before_claim(s: Snapshot, best: Candidate, reason: str) -> list[Step] | None:
    """Return the steps before the claim of a candidate; None once it may be claimed.

    The candidate is checked on `claim_layouts` random layouts (items/check_claim.py). A candidate that fails ranks
    behind all others (`Snapshot.ranking`), so the next best is checked then. If all fail, nothing is claimed.

    Args:
        s: The job's rows.
        best: The first of the ranking.
        reason: Why the search ended.
    """
    layouts = s.spec.claim_layouts or 0
    if not (layouts and s.spec.confirm and s.spec.verification):
        return None
    items = s.items_of("recheck", candidate=best.id, sample=BEFORE_CLAIM)
    if not items:
        return [
            AddItem(ItemKey(s.job.id, "recheck", best.iteration, best.id, sample=BEFORE_CLAIM), {"layouts": layouts})
        ]
    if any(i.state in OPEN for i in items):
        return []
    if s.fails_before_claim(best):
        return [FinishJob("done", f"The search ended: {reason}. {failed_words(s)} Nothing is claimed.")]
    return None


def failed_words(s: Snapshot) -> str:
    """Return sentences on the candidates that failed the check before the claim, best first; empty if none did."""
    failed = [c for c in s.ranking() if s.fails_before_claim(c)]
    return " ".join(f"{c.id} failed the check before the claim: {_told(s, c)}." for c in failed)


def _told(s: Snapshot, c: Candidate) -> str:
    results = [i.result or {} for i in s.items_of("recheck", candidate=c.id, sample=BEFORE_CLAIM)]
    return next((r["told"] for r in results if r.get("told")), "it could not be carried out")

"""What a job's limits on environment steps, calls, tokens and dollars still pay for, by what was promised.

The limit on money is kept in three places. Here a job decides whether to ask for more at all; engine/models/limited.py
refuses each call that would pass the limit before it is sent; storage/ledger.py reserves what a call may cost and
records what it did.
"""

from __future__ import annotations

from dataclasses import dataclass

from rewardsmith.engine.search.shares import baseline_share, claim_steps, share_before
from rewardsmith.engine.search.snapshot import AGAIN, Snapshot
from rewardsmith.storage.queue import OPEN


@dataclass(frozen=True)
class JobBudget:
    """The budget of a job as its rows stand.

    What is counted is what work items were promised, not how far they are: live progress would make decisions depend
    on timing. `queued` counts the trials of the same rung that the same decision adds.
    """

    snapshot: Snapshot

    def affords_training(self, rung: int, queued: int = 0) -> bool:
        """Whether one more candidate may train to `rung` with all that was promised and the claim still paid for."""
        spec = self.snapshot.spec
        return self._affords(spec.rungs[rung] - share_before(rung, spec), queued)

    def affords_retraining(self, rung: int, queued: int = 0) -> bool:
        """Whether one more candidate may train once more, from the beginning to `rung`, with all else still paid."""
        return self._affords(self.snapshot.spec.rungs[rung], queued)

    def affords_calls(self, count: int = 1) -> bool:
        """Whether `count` more calls may be queued."""
        s, budget, used = self.snapshot, self.snapshot.spec.budget, self.snapshot.used
        pending = sum(1 for i in s.items if i.key.kind in ("design", "analyse") and i.state in OPEN)
        if budget.calls is not None and used.calls + pending + count > budget.calls:
            return False
        mean_tokens = used.tokens / used.calls if used.calls else 0.0
        if budget.tokens is not None and used.tokens + mean_tokens * (pending + count) >= budget.tokens:
            return False
        return budget.dollars is None or used.dollars < budget.dollars

    def _affords(self, share: float, queued: int) -> bool:
        spec = self.snapshot.spec
        limit = spec.budget.env_steps
        more = share * spec.steps * (spec.seeds + queued)
        return limit is None or self._promised() + more + claim_steps(spec) <= limit

    def _promised(self) -> float:
        """Environment steps that the search's items were promised."""
        s, spec = self.snapshot, self.snapshot.spec
        again = {c.id: c.adjustment for c in s.candidates if c.adjustment is not None}
        promised = 0.0
        for key in (i.key for i in s.items_of("train") if i.state != "cancelled"):
            begins = key.sample == AGAIN and again[key.candidate]["rung"] == key.rung
            promised += (spec.rungs[key.rung] - (0.0 if begins else share_before(key.rung, spec))) * spec.steps
        for c in s.candidates:
            # Its trials wait for the check of other weights.
            if c.retrains and c.state == "passed" and not s.items_of("train", candidate=c.id, sample=AGAIN):
                promised += spec.rungs[again[c.id]["rung"]] * spec.steps * spec.seeds
        return promised + baseline_share(spec) * spec.steps * len(s.items_of("baseline"))

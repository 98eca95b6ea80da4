"""The remaining budget of a job (environment steps, calls, tokens, dollars), less the work that is already queued.

The limit on cost is enforced in three places. This module decides whether the job queues more work.
engine/models/limited.py refuses a call that would exceed the limit before it is sent. storage/ledger.py reserves the
largest cost of a call, and then records the actual one.
"""

from __future__ import annotations

from dataclasses import dataclass

from rewardsmith.engine.search.shares import baseline_share, claim_steps, share_before
from rewardsmith.engine.search.snapshot import AGAIN, Snapshot
from rewardsmith.storage.queue import OPEN


@dataclass(frozen=True)
class JobBudget:
    """The remaining budget of a job.

    A queued or running work item counts with all its steps, not with its progress: otherwise decisions would depend on
    timing. The argument `queued` of the methods is the number of trials of the same rung that the same decision has
    already added.
    """

    snapshot: Snapshot

    def affords_training(self, rung: int, queued: int = 0) -> bool:
        """Return whether the budget allows one more candidate to train from the rung before up to `rung`."""
        spec = self.snapshot.spec
        return self._affords(spec.rungs[rung] - share_before(rung, spec), queued)

    def affords_retraining(self, rung: int, queued: int = 0) -> bool:
        """Return whether the budget allows one more candidate to be retrained from the beginning up to `rung`."""
        return self._affords(self.snapshot.spec.rungs[rung], queued)

    def affords_calls(self, count: int = 1) -> bool:
        """Return whether the budget allows `count` more language-model calls."""
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
        """Return the environment steps of all work items of the search, queued, running or done."""
        s, spec = self.snapshot, self.snapshot.spec
        again = {c.id: c.adjustment for c in s.candidates if c.adjustment is not None}
        promised = 0.0
        for key in (i.key for i in s.items_of("train") if i.state != "cancelled"):
            begins = key.sample == AGAIN and again[key.candidate]["rung"] == key.rung
            promised += (spec.rungs[key.rung] - (0.0 if begins else share_before(key.rung, spec))) * spec.steps
        for c in s.candidates:
            # Its trials are queued after the check of its new weights, but count already.
            if c.retrains and c.state == "passed" and not s.items_of("train", candidate=c.id, sample=AGAIN):
                promised += spec.rungs[again[c.id]["rung"]] * spec.steps * spec.seeds
        promised -= self._saved()
        return promised + baseline_share(spec) * spec.steps * len(s.items_of("baseline"))

    def _saved(self) -> int:
        """Return the environment steps that trials did not collect, because they began from earlier transitions."""
        # The result of a later rung counts the steps saved since the trial began.
        done = sorted((i for i in self.snapshot.items_of("train") if i.result), key=lambda i: i.key.rung)
        latest = {(i.key.candidate, i.key.seed, i.key.sample): i.result or {} for i in done}
        return sum(result.get("saved", 0) for result in latest.values())

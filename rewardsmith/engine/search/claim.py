"""The claim of a job that ends: its best candidate against the sparse baseline on fresh seeds."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from rewardsmith.storage import records
from rewardsmith.storage.records import Trial


def claim_of(connection: Connection, job_id: str, best: str) -> dict[str, Any] | None:
    """What the confirmed trials of `best` and of the baseline say together, or None if nothing was confirmed."""
    changes = records.get_candidate(connection, best).training_changes
    found = records.trials_of(connection, job_id=job_id)
    # An earlier claim of the job may have been made with other settings.
    trials = [t for t in found if t.purpose == "confirm" and t.training_changes == changes]
    arms = [_scores(trials, name) for name in (best, f"{job_id}-sparse")]
    if not all(arms):
        return None
    from rewardsmith.reporting.statistics import summarise

    return summarise(*arms)


def _scores(trials: list[Trial], candidate_id: str) -> dict[int, float]:
    # A program that failed in training has a score: it did not solve the task.
    mine = [t for t in trials if t.candidate_id == candidate_id]
    known = [t for t in mine if t.state == "failed" or (t.state == "done" and t.success is not None)]
    return {t.seed: float(t.success or 0.0) for t in known}

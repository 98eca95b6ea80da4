"""The claim of a job: its final evaluation on held-out seeds, against the sparse baseline."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from rewardsmith.scores import ScoreScale
from rewardsmith.storage import records
from rewardsmith.storage.scored import scores_by_seed


def claim_of(connection: Connection, job_id: str, best: str) -> dict[str, Any] | None:
    """Compute the claim of a job from its trials, once the search has ended.

    1. `decide` trains the best candidate and the sparse baseline in full, on `confirm` seeds that the search did not
       use. Both use the training settings of the best candidate.
    2. Each trial ends with an evaluation on layouts that neither training nor the search used.
    3. A trial that failed in training counts as 0 % success, or as the score of random play. A trial that was lost is
       left out.
    4. `reporting.statistics.summarise` compares the success rates, or the scores, of the two.

    Args:
        connection: A connection to the job's database.
        job_id: The job.
        best: Id of its best candidate.

    Returns:
        The summary of step 4; None if the best candidate or the baseline has no trial on these seeds.
    """
    scale = ScoreScale.from_spec(records.get_job(connection, job_id).spec)
    changes = records.get_candidate(connection, best).training_changes
    found = records.trials_of(connection, job_id=job_id)
    # An extended job may hold the trials of an earlier claim, made with other settings.
    trials = [t for t in found if t.purpose == "confirm" and t.training_changes == changes]
    arms = [scores_by_seed([t for t in trials if t.candidate_id == c], scale) for c in (best, f"{job_id}-sparse")]
    if not all(arms):
        return None
    from rewardsmith.reporting.statistics import summarise

    return summarise(*arms, minimize=scale is not None and scale.sign < 0)

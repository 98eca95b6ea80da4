"""The input of `decide`: the rows of a job, read once, and the scores, ranks and faults that follow from them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import Connection, text

from rewardsmith.reporting.proportion import wilson
from rewardsmith.scores import ScoreScale
from rewardsmith.spec import JobSpec
from rewardsmith.storage import records
from rewardsmith.storage.queue import OPEN, Item
from rewardsmith.storage.records import Candidate, Iteration, Job

AGAIN = 1
"""`sample` in the key of a work item that retrains a candidate; other training items have -1."""

BEFORE_CLAIM = 2
"""`sample` in the key of a `recheck` item before the claim; that of a retraining has -1."""

Measure = Literal["success", "late", "area", "train_success"]
"""Measures of a trial at the end of a rung, each a success rate.

On a task with a score instead of a success, each is the merit of a mean score (rewardsmith.scores): 0 for random play,
1 for the reference.

- success: of the final policy.
- late: mean over the last third of the evaluations.
- area: mean over all evaluations.
- train_success: of the training episodes.
"""


@dataclass(frozen=True)
class Used:
    """The resources that a job has used so far.

    Attributes:
        calls: Language-model calls, running ones included.
        tokens: Tokens sent and received, with the largest possible number for running calls.
        dollars: Cost of the calls, with the largest possible cost of running ones.
        unpriced: Calls whose price is unknown.
        env_steps: Environment steps.
        seconds: Working time in seconds.
    """

    calls: int = 0
    tokens: int = 0
    dollars: float = 0.0
    unpriced: int = 0
    env_steps: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class Snapshot:
    """All rows that the next step of a job depends on. Rungs are counted from 0."""

    job: Job
    spec: JobSpec
    iterations: list[Iteration]
    candidates: list[Candidate]
    items: list[Item]
    used: Used

    # --- rows ---------------------------------------------------------------------------------------------

    def items_of(self, kind: str, **key: object) -> list[Item]:
        """Return the work items of a kind whose key has these values."""
        return [i for i in self.items if i.key.kind == kind and all(getattr(i.key, k) == v for k, v in key.items())]

    def under_way(self, iteration: int, *kinds: str) -> bool:
        """Return whether a round has an unfinished work item of one of these kinds."""
        return any(i.key.iteration == iteration and i.key.kind in kinds and i.state in OPEN for i in self.items)

    def racers(self, iteration: int) -> list[Candidate]:
        """Return a round's candidates, without the baseline and those that a person vetoed."""
        return [c for c in self.candidates if c.iteration == iteration and c.kind != "baseline" and c.state != "vetoed"]

    def begun(self, iteration: int) -> list[Candidate]:
        """Return the candidates of a round for which trials were queued."""
        return [c for c in self.racers(iteration) if self.items_of("train", candidate=c.id)]

    def ready(self, iteration: int) -> list[Candidate]:
        """Return the candidates of a round that passed their check and have no trials, easiest predicted first."""
        waiting = [
            c for c in self.racers(iteration) if c.state == "passed" and not self.items_of("train", candidate=c.id)
        ]
        return sorted(waiting, key=self.predicted_key)

    def trainings(self, c: Candidate, rung: int | None = None) -> list[Item]:
        """Return the work items whose trials stand for a candidate, at one rung or at all rungs.

        These are the retrained trials from the rung on at which they replaced the original ones.
        """
        first = c.retrained_from
        return [
            i
            for i in self.items_of("train", candidate=c.id)
            if (rung is None or i.key.rung == rung)
            and (i.key.sample == AGAIN) == (first is not None and i.key.rung >= first)
        ]

    def repair_depth(self, c: Candidate) -> int:
        """Return the number of successive repairs that led to a candidate."""
        by_id = {each.id: each for each in self.candidates}
        depth = 0
        while c.move == "repair":
            depth += 1
            c = by_id[c.parents[0]]
        return depth

    # --- results ------------------------------------------------------------------------------------------

    @property
    def last_rung(self) -> int:
        """The rung at which a trial is complete, from 0."""
        return len(self.spec.rungs) - 1

    def rung_reached(self, c: Candidate) -> int:
        """Return the last rung at which a candidate has results, or -1."""
        rungs = [i.key.rung for i in self.trainings(c) if i.result and not i.result.get("fault")]
        return max(rungs, default=-1)

    def score(self, c: Candidate, rung: int, measure: Measure = "success") -> float:
        """Return the mean over seeds of a measure at the end of a rung: a success rate in [0, 1], or a merit."""
        return mean_result(self.trainings(c, rung), measure, self.scale)

    @property
    def scale(self) -> ScoreScale | None:
        """The scale of the task's scores; None if the task has a success."""
        return self.spec.score

    def stored_score(self, c: Candidate, rung: int) -> float:
        """Return what a candidate's row stores as its score: its success rate, or its mean score as it is."""
        merit = self.score(c, rung)
        return merit if self.scale is None else self.scale.score(merit)

    def interval(self, c: Candidate, rung: int) -> tuple[float, float]:
        """Return the 95 % interval of `score` over the episodes of all seeds: Wilson's, or that of a mean score.

        Where results decided the number of episodes, it is the mean of the seeds' intervals for any stopping time.
        """
        results = [r for i in self.trainings(c, rung) if (r := i.result) and not r.get("fault")]
        if self.scale is None and results and all("success_low" in r for r in results):
            low, high = (sum(r[end] for r in results) / len(results) for end in ("success_low", "success_high"))
            return low, high
        if self.scale is None:
            episodes = self.episodes(c, rung)
            return wilson(round(self.score(c, rung) * episodes), episodes)
        halves = [(r["score_high"] - r["score_low"]) / 2 for r in results]
        half = math.hypot(*halves) / max(1, len(halves)) if halves else 0.0
        ends = (self.scale.merit(self.stored_score(c, rung) + side * half) for side in (-1, 1))
        low, high = sorted(ends)
        return low, high

    def words(self, merit: float, digits: int = 0) -> str:
        """Return a value of `score` in words: "92% success", or "a score of -310"."""
        if self.scale is None:
            return f"{merit:.{digits}%} success"
        return f"a score of {self.scale.show(self.scale.score(merit))}"

    def episodes(self, c: Candidate, rung: int) -> int:
        """Return the number of episodes, over all seeds, of a candidate's evaluation at the end of a rung."""
        results = [i.result or {} for i in self.trainings(c, rung)]
        # Results of older versions lack the number of episodes.
        known = sum(r.get("episodes", self.spec.training.eval_episodes) for r in results if not r.get("fault"))
        return known or self.spec.training.eval_episodes * self.spec.seeds

    def fault(self, c: Candidate, rung: int) -> str | None:
        """Return a sentence about the first fault in a candidate's trials at a rung, or None."""
        for item in (i for i in self.trainings(c, rung) if i.state not in OPEN):
            if item.state != "done":
                return f"its trial was lost: {item.error}"
            if fault := (item.result or {}).get("fault"):
                return f"it failed in training: {fault}"
        return None

    # --- order --------------------------------------------------------------------------------------------

    def ranking(self) -> list[Candidate]:
        """Return all trained candidates of the job, best first: by rung reached, then by `rank_key`.

        Candidates that failed the check before the claim come last.
        """
        # A candidate with a fault in any trial is not ranked.
        trained = [
            c for c in self.candidates if self.rung_reached(c) >= 0 and not self._faulted(c) and c.state != "vetoed"
        ]
        return sorted(
            trained,
            key=lambda c: (
                self.fails_before_claim(c),
                -self.rung_reached(c),
                *self.rank_key(c, self.rung_reached(c)),
            ),
        )

    def fails_before_claim(self, c: Candidate) -> bool:
        """Return whether a candidate failed the check on more layouts before its claim."""
        items = self.items_of("recheck", candidate=c.id, sample=BEFORE_CLAIM)
        return any((i.result or {}).get("passed") is False for i in items)

    def rank_key(self, c: Candidate, rung: int) -> tuple[float, float, float, str]:
        """Return the sort key of a candidate at the end of a rung; the smallest key is the best candidate.

        The key compares, in this order:

        1. the mean of final success and of success over the last third of the curve. One evaluation of one seed is
           noisy, and a policy that has stayed good is more likely to be good again. The whole curve in place of its
           last third prefers rewards that learn fast and then forget.
        2. success over the whole curve.
        3. predicted difficulty, then the id, so that the order never depends on which trial ended first.
        """
        merit = (self.score(c, rung) + self.score(c, rung, "late")) / 2
        return (-merit, -self.score(c, rung, "area"), *self.predicted_key(c))

    def predicted_key(self, c: Candidate) -> tuple[float, str]:
        """Return the sort key (predicted difficulty, id). Without a prediction the difficulty is infinite."""
        found = [(i.result or {}).get("difficulty") for i in self.items_of("check", candidate=c.id)]
        return (min((d for d in found if d is not None), default=math.inf), c.id)

    def _faulted(self, c: Candidate) -> bool:
        return any(i.state in ("lost", "failed") or (i.result or {}).get("fault") for i in self.trainings(c))


def mean_result(items: Sequence[Item], measure: Measure, scale: ScoreScale | None = None) -> float:
    """Return the mean of a measure over the trials that ended without a fault; 0 if there are none.

    scale: of the task's scores, whose merit is returned; None if the task has a success.
    """
    results = [r for i in items if (r := i.result) and not r.get("fault")]
    if scale is not None:
        name = "score" if measure == "success" else measure
        return scale.merit(sum(r.get(name, r["score"]) for r in results) / len(results)) if results else 0.0
    # Results of older versions may lack a measure; success replaces it.
    clean = [r.get(measure, r["success"]) for r in results]
    return sum(clean) / len(clean) if clean else 0.0


def target_of(spec: JobSpec) -> float | None:
    """Return the success rate or normalised score at which the search stops; None if nothing is compared with it.

    Scores are compared with a target only if there is a reference, because otherwise nothing says which score is good.
    """
    return spec.target if spec.score is None or spec.score.has_reference else None


def reaches_target(s: Snapshot, c: Candidate) -> bool:
    """Return whether a candidate's complete trials reached the target of the search."""
    target = target_of(s.spec)
    return target is not None and s.rung_reached(c) == s.last_rung and s.score(c, s.last_rung) >= target


def read_snapshot(connection: Connection, job_id: str) -> Snapshot:
    """Read all rows of one job."""
    job = records.get_job(connection, job_id)
    # Items before candidates: on Postgres each statement sees what is committed by then. A snapshot in which an item
    # is done must also contain the candidate that the item wrote.
    items = records.items_of(connection, job_id)
    return Snapshot(
        job=job,
        spec=JobSpec.model_validate(job.spec),
        iterations=records.iterations_of(connection, job_id),
        candidates=records.candidates_of(connection, job_id),
        items=items,
        used=read_used(connection, job_id),
    )


def read_used(connection: Connection, job_id: str) -> Used:
    """Read the sums of a job's ledger."""
    row = connection.execute(text("SELECT * FROM v_costs WHERE job_id = :job"), {"job": job_id}).mappings().one()
    return Used(
        calls=row["calls"] or 0,
        tokens=row["charged_tokens"] or 0,
        dollars=row["dollars"] or 0.0,
        unpriced=row["unpriced_calls"] or 0,
        env_steps=row["env_steps"] or 0,
        seconds=row["active_seconds"] or 0.0,
    )

"""A job's rows, read once, and what they say of its candidates: scores, ranks, faults. What `decide` looks at."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import Connection, text

from rewardsmith.spec import JobSpec
from rewardsmith.storage import records
from rewardsmith.storage.queue import OPEN, Item
from rewardsmith.storage.records import Candidate, Iteration, Job

AGAIN = 1
"""`sample` in the key of a work item that trains with a candidate's adjusted settings; -1: with the job's own."""

Measure = Literal["success", "late", "area", "train_success"]
"""What a rung's end is judged by: success of its final weights, mean success over the last third of its evaluations
(late) or over all of them (area), success of its training episodes."""


@dataclass(frozen=True)
class Used:
    """What a job has spent so far, with what calls under way may take. `unpriced` calls have no known price."""

    calls: int = 0
    tokens: int = 0
    dollars: float = 0.0
    unpriced: int = 0
    env_steps: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class Snapshot:
    """Everything the next step of a job depends on. Rungs are counted from 0."""

    job: Job
    spec: JobSpec
    iterations: list[Iteration]
    candidates: list[Candidate]
    items: list[Item]
    used: Used

    # --- rows ---------------------------------------------------------------------------------------------

    def items_of(self, kind: str, **key: object) -> list[Item]:
        """Items of a kind whose key matches."""
        return [i for i in self.items if i.key.kind == kind and all(getattr(i.key, k) == v for k, v in key.items())]

    def under_way(self, iteration: int, *kinds: str) -> bool:
        """Whether an item of one of these kinds is open in a round."""
        return any(i.key.iteration == iteration and i.key.kind in kinds and i.state in OPEN for i in self.items)

    def racers(self, iteration: int) -> list[Candidate]:
        """A round's candidates that may train, or might have: all but those that a person vetoed."""
        return [c for c in self.candidates if c.iteration == iteration and c.kind != "baseline" and c.state != "vetoed"]

    def begun(self, iteration: int) -> list[Candidate]:
        """The racers of a round for which trials were queued."""
        return [c for c in self.racers(iteration) if self.items_of("train", candidate=c.id)]

    def ready(self, iteration: int) -> list[Candidate]:
        """The racers of a round that passed their check and wait to be trained, the soonest to learn first."""
        waiting = [
            c for c in self.racers(iteration) if c.state == "passed" and not self.items_of("train", candidate=c.id)
        ]
        return sorted(waiting, key=self.predicted_key)

    def trainings(self, c: Candidate, rung: int | None = None) -> list[Item]:
        """The work items whose trials stand for a candidate, at one rung or at all.

        From the rung on at which trials with adjusted settings did better, these; else those with the job's own.
        """
        first = c.retrained_from
        return [
            i
            for i in self.items_of("train", candidate=c.id)
            if (rung is None or i.key.rung == rung)
            and (i.key.sample == AGAIN) == (first is not None and i.key.rung >= first)
        ]

    def repair_depth(self, c: Candidate) -> int:
        """How many repairs led to a candidate."""
        by_id = {each.id: each for each in self.candidates}
        depth = 0
        while c.move == "repair":
            depth += 1
            c = by_id[c.parents[0]]
        return depth

    # --- results ------------------------------------------------------------------------------------------

    @property
    def last_rung(self) -> int:
        """The rung at which a trial is complete."""
        return len(self.spec.rungs) - 1

    def rung_reached(self, c: Candidate) -> int:
        """The last rung at which a candidate has results, or -1."""
        rungs = [i.key.rung for i in self.trainings(c) if i.result and not i.result.get("fault")]
        return max(rungs, default=-1)

    def score(self, c: Candidate, rung: int, measure: Measure = "success") -> float:
        """Mean over seeds of a measure at a rung's end, 0 to 1."""
        return mean_result(self.trainings(c, rung), measure)

    def episodes(self, c: Candidate, rung: int) -> int:
        """On how many evaluated episodes a candidate's success at a rung's end rests, all seeds together."""
        results = [i.result or {} for i in self.trainings(c, rung)]
        # Results of an older version do not say on how many episodes they rest.
        known = sum(r.get("episodes", self.spec.training.eval_episodes) for r in results if not r.get("fault"))
        return known or self.spec.training.eval_episodes * self.spec.seeds

    def fault(self, c: Candidate, rung: int) -> str | None:
        """What went wrong in a candidate's trials at a rung, in words; None while nothing did."""
        for item in (i for i in self.trainings(c, rung) if i.state not in OPEN):
            if item.state != "done":
                return f"its trial was lost: {item.error}"
            if fault := (item.result or {}).get("fault"):
                return f"it failed in training: {fault}"
        return None

    # --- order --------------------------------------------------------------------------------------------

    def ranking(self) -> list[Candidate]:
        """All trained candidates of the job, best first: by rung reached, then by success."""
        # A fault is never scored, whatever other seeds or earlier rungs of the candidate reached.
        trained = [
            c for c in self.candidates if self.rung_reached(c) >= 0 and not self._faulted(c) and c.state != "vetoed"
        ]
        return sorted(trained, key=lambda c: (-self.rung_reached(c), *self.rank_key(c, self.rung_reached(c))))

    def rank_key(self, c: Candidate, rung: int) -> tuple[float, float, float, str]:
        """Sort key, best first: final success and the last third of the curve in equal parts, then the whole curve.

        One evaluation of one seed is noisy, and a policy that stayed good is more likely to be good again. With the
        whole curve in place of its last third, rewards that teach fast and then forget were preferred; at an early
        rung half of the curve is still the rise, and a reward that had reached 100 % somewhat later was given up for
        two that fell to 95 and 80 %.
        Ties, as where nothing has succeeded yet, fall to the predicted difficulty and then to the id, so that the
        order never depends on arrival.
        """
        merit = (self.score(c, rung) + self.score(c, rung, "late")) / 2
        return (-merit, -self.score(c, rung, "area"), *self.predicted_key(c))

    def predicted_key(self, c: Candidate) -> tuple[float, str]:
        """Sort key of candidates that may train, the one predicted to learn soonest first, then by id.

        The prediction is the difficulty that a candidate's check found; infinite where it found none.
        """
        found = [(i.result or {}).get("difficulty") for i in self.items_of("check", candidate=c.id)]
        return (min((d for d in found if d is not None), default=math.inf), c.id)

    def _faulted(self, c: Candidate) -> bool:
        return any(i.state in ("lost", "failed") or (i.result or {}).get("fault") for i in self.trainings(c))


def mean_result(items: Sequence[Item], measure: Measure) -> float:
    """Mean of a measure over trials that ended without a fault; 0 if there is none."""
    results = [i.result for i in items if i.result]
    # Results of an older version may lack a measure; success stands in for it.
    clean = [r.get(measure, r["success"]) for r in results if not r.get("fault")]
    return sum(clean) / len(clean) if clean else 0.0


def read_snapshot(connection: Connection, job_id: str) -> Snapshot:
    """All rows of one job."""
    job = records.get_job(connection, job_id)
    # Items first: on Postgres each statement sees what is committed by then, so that whoever sees an item done
    # must read the candidate it left afterwards, not before.
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
    """The ledger of a job, summed."""
    row = connection.execute(text("SELECT * FROM v_costs WHERE job_id = :job"), {"job": job_id}).mappings().one()
    return Used(
        calls=row["calls"] or 0,
        tokens=row["charged_tokens"] or 0,
        dollars=row["dollars"] or 0.0,
        unpriced=row["unpriced_calls"] or 0,
        env_steps=row["env_steps"] or 0,
        seconds=row["active_seconds"] or 0.0,
    )

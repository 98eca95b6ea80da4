"""What people ask of the database: ids by prefix, a job's standing, the claim with its intervals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from rewardsmith.errors import UsageError
from rewardsmith.storage import records
from rewardsmith.storage.records import Candidate, Job, Trial
from rewardsmith.storage.schema import jobs


def find_job(connection: Connection, text: str) -> Job:
    """The job whose id begins with `text`, or "latest". Raises UsageError."""
    query = select(jobs.c.id).order_by(jobs.c.created_at.desc(), jobs.c.id)
    if text != "latest":
        query = query.where(jobs.c.id.startswith(text.split("-")[0], autoescape=True))
    ids = list(connection.execute(query).scalars())
    if not ids:
        raise UsageError(f"There is no job {text!r}.", "`rewardsmith ls` lists the jobs; `latest` is the newest.")
    if len(ids) > 1 and text != "latest":
        raise UsageError(f"{text!r} begins several jobs: {', '.join(ids[:5])}.", "Give one more letter.")
    return records.get_job(connection, ids[0])


def find_candidate(connection: Connection, text: str) -> Candidate:
    """The candidate called `text`: JOB-NAME, a unique prefix of it, JOB-best, or "best" of the latest job."""
    if text == "best" or text.endswith("-best"):
        job = find_job(connection, "latest" if text == "best" else text.removesuffix("-best"))
        if job.best_candidate is None:
            raise UsageError(f"Job {job.id} has no best candidate yet.", f"See `rewardsmith show {job.id}`.")
        return records.get_candidate(connection, job.best_candidate)
    job_text, _, name = text.partition("-")
    job = find_job(connection, job_text)
    names = [c for c in records.candidates_of(connection, job.id) if c.id.split("-", 1)[1].startswith(name)]
    exact = [c for c in names if c.id.split("-", 1)[1] == name]
    if len(exact or names) != 1:
        known = ", ".join(c.id for c in records.candidates_of(connection, job.id)[:12])
        raise UsageError(f"There is no single candidate {text!r}.", f"Candidates of {job.id}: {known}")
    return (exact or names)[0]


def names_candidate(text: str) -> bool:
    """Whether `text` means a candidate rather than a job (whose ids have no dash)."""
    return text == "best" or "-" in text


@dataclass(frozen=True)
class Arm:
    """One side of a claim over its training seeds. Success is that of final weights on the claim's layouts."""

    candidate: str
    seeds: list[int]
    success: list[float]
    greedy: list[float]
    steps: int
    steps_to_90: list[int | None]  # None = not reached (right-censored)
    unseen: bool
    episodes: int  # per seed
    failed: int  # seeds whose program failed in training; they count as success 0

    @property
    def mean(self) -> float:
        """Interquartile mean over seeds."""
        from rewardsmith.reporting import statistics  # numpy: only a claim needs it

        return float(statistics.interquartile_mean(self.success))

    @property
    def interval(self) -> tuple[float, float]:
        """95 % bootstrap interval of the interquartile mean; seeds are the replication unit."""
        from rewardsmith.reporting import statistics

        return statistics.stratified_bootstrap(self.success)


@dataclass(frozen=True)
class Claim:
    """Best candidate against the sparse baseline on the same fresh seeds."""

    best: Arm
    baseline: Arm
    verdict: str  # better | not shown | worse
    improvement: float  # probability of improvement
    preliminary: bool  # fewer than 10 seeds


def read_claim(connection: Connection, job: Job) -> Claim | None:
    """The claim of a finished job, or None if it was not confirmed."""
    if job.best_candidate is None:
        return None
    best = read_arm(connection, job.best_candidate)
    baseline = read_arm(connection, f"{job.id}-sparse")
    if best is None or baseline is None:
        return None
    paired = sorted(set(best.seeds) & set(baseline.seeds))
    mine = [best.success[best.seeds.index(s)] for s in paired]
    theirs = [baseline.success[baseline.seeds.index(s)] for s in paired]
    if not paired:
        return None
    from rewardsmith.reporting import statistics

    return Claim(
        best,
        baseline,
        str(statistics.verdict(mine, theirs)),
        statistics.probability_of_improvement(mine, theirs),
        statistics.preliminary(len(paired)),
    )


def read_arm(connection: Connection, candidate_id: str) -> Arm | None:
    """A candidate's confirmed trials, or None."""
    trials = [
        t
        for t in records.trials_of(connection, candidate_id=candidate_id)
        if t.purpose == "confirm" and (t.state == "failed" or (t.state == "done" and t.success is not None))
    ]
    if not trials:
        return None
    return Arm(
        candidate=candidate_id,
        seeds=[t.seed for t in trials],
        success=[float(t.success or 0.0) for t in trials],
        greedy=[float(t.greedy_success or 0.0) for t in trials],
        steps=max(t.steps for t in trials),
        steps_to_90=[_steps_to_90(connection, t) for t in trials],
        unseen=all(bool(t.unseen) for t in trials if t.state == "done"),
        episodes=min((t.episodes or 0 for t in trials if t.state == "done"), default=0),
        failed=sum(t.state == "failed" for t in trials),
    )


def _steps_to_90(connection: Connection, trial: Trial) -> int | None:
    curve = [p for p in records.curve_of(connection, trial.id) if p["success"] is not None]
    if not curve:
        return None
    from rewardsmith.reporting import statistics

    return statistics.steps_to_threshold([p["steps"] for p in curve], [p["success"] for p in curve])


def curves_of(connection: Connection, candidate_id: str, purpose: str | None = None) -> list[list[Mapping[str, Any]]]:
    """The learning curves of a candidate, one list of points per trial; the claim's if there are any."""
    trials = records.trials_of(connection, candidate_id=candidate_id)
    purposes = {t.purpose for t in trials}
    wanted = purpose or ("confirm" if "confirm" in purposes else "search")
    return [records.curve_of(connection, t.id) for t in trials if t.purpose == wanted and t.state != "running"]

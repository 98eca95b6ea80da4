"""Reads for users: jobs and candidates by prefix of their id, the final evaluation, learning curves."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from rewardsmith.errors import UsageError
from rewardsmith.reporting.measure import Measure, measure_of, where
from rewardsmith.reporting.proportion import steps_to_threshold
from rewardsmith.reporting.text import baseline_words, settings_words
from rewardsmith.scores import ScoreScale
from rewardsmith.storage import reads
from rewardsmith.storage.rows import Candidate, Job, Trial
from rewardsmith.storage.scored import scores_by_seed
from rewardsmith.telemetry import Telemetry

if TYPE_CHECKING:
    from rewardsmith.storage.reads import Readable


FULL_POINT = 200
"""Episodes of a point of the curve that counts for the steps to 90 %, if it is at least there."""


def find_job(connection: Readable, text: str) -> Job:
    """Return the job whose id begins with `text`, or the newest for "latest". Raises UsageError."""
    prefix = None if text == "latest" else ("id", text.split("-")[0])
    newest = reads.fetch(connection, "jobs", columns=["id"], order=["-created_at", "id"], prefix=prefix, limit=6)
    ids = [row["id"] for row in newest]
    if not ids:
        raise UsageError(f"There is no job {text!r}.", "`rewardsmith ls` lists the jobs; `latest` is the newest.")
    if len(ids) > 1 and text != "latest":
        raise UsageError(f"Several job ids begin with {text!r}: {', '.join(ids[:5])}.", "Give one more letter.")
    return reads.get_job(connection, ids[0])


def find_candidate(connection: Readable, text: str) -> Candidate:
    """Return the candidate called `text`: JOB-NAME, a unique prefix, JOB-best, or "best" of the newest job."""
    if text == "best" or text.endswith("-best"):
        job = find_job(connection, "latest" if text == "best" else text.removesuffix("-best"))
        if job.best_candidate is None:
            raise UsageError(f"Job {job.id} has no best candidate yet.", f"See `rewardsmith show {job.id}`.")
        return reads.get_candidate(connection, job.best_candidate)
    job_text, _, name = text.partition("-")
    job = find_job(connection, job_text)
    names = [c for c in reads.candidates_of(connection, job.id) if c.id.split("-", 1)[1].startswith(name)]
    exact = [c for c in names if c.id.split("-", 1)[1] == name]
    if len(exact or names) != 1:
        known = ", ".join(c.id for c in reads.candidates_of(connection, job.id)[:12])
        found = "Several candidates match" if names else "There is no candidate"
        raise UsageError(f"{found} {text!r}.", f"Candidates of {job.id}: {known}")
    return (exact or names)[0]


def names_candidate(text: str) -> bool:
    """Return whether `text` names a candidate; the ids of jobs have no dash."""
    return text == "best" or "-" in text


@dataclass(frozen=True)
class Arm:
    """One reward of a final evaluation, over its training seeds. Success is that of the final weights.

    On a task with a score instead of a success (see `scale`), `success`, `greedy`, `mean` and `interval` are scores:
    mean returns under the environment's own reward.

    Attributes:
        candidate: The candidate's id; that of the sparse baseline ends in -sparse.
        seeds: The training seeds.
        success: Success rate of the stochastic policy, 0 to 1, by seed.
        greedy: Success rate of the most probable actions, 0 to 1, by seed.
        steps: Environment steps that each seed was trained for.
        steps_to_90: Environment steps to a success rate of 90 %, or a normalised score of 0.9, by seed; None where it
            was not reached.
        full_points: Whether the points of the curves have the FULL_POINT episodes that this number needs.
        unseen: Whether training saw none of the layouts.
        episodes: Evaluation episodes of each seed.
        failed: Seeds whose program failed in training; they count as success 0, or as random play.
        mean: Interquartile mean of success over the seeds.
        interval: 95 % bootstrap interval of the mean; the training seeds are resampled.
        starts: What the task's starts are called: "layouts", "starts", or "one start" if there is only one.
        scale: The scale of the task's scores; None if the task has a success.
        fixed: Whether the policies are deterministic, so that `greedy` repeats `success`.
    """

    candidate: str
    seeds: list[int]
    success: list[float]
    greedy: list[float]
    steps: int
    steps_to_90: list[int | None]
    unseen: bool
    episodes: int
    failed: int
    mean: float = math.nan
    interval: tuple[float, float] = (-math.inf, math.inf)
    starts: str = "layouts"
    scale: ScoreScale | None = None
    fixed: bool = False
    full_points: bool = True

    @property
    def measure(self) -> Measure:
        """What the reward is measured by: its success rate, or its score."""
        return Measure(self.scale, self.fixed)

    @property
    def where(self) -> str:
        """Where the policy was evaluated: "unseen layouts", "unseen starts", "one start", ..."""
        return where(self.unseen, self.starts)

    @property
    def normalised(self) -> list[float] | None:
        """The score of each seed with random play at 0 and the reference at 1; None without a reference."""
        if self.scale is None or not self.scale.has_reference:
            return None
        return [self.scale.merit(score) for score in self.success]

    @property
    def by_seed(self) -> dict[int, float]:
        """Success rate, 0 to 1, or score, by training seed."""
        return dict(zip(self.seeds, self.success, strict=True))


@dataclass(frozen=True)
class Claim:
    """Final evaluation: the best candidate against the sparse baseline on the same fresh seeds.

    Attributes:
        best: The best candidate's arm.
        baseline: The sparse baseline's arm.
        verdict: "better", "not shown" or "worse": whether the candidate succeeds more often, or scores better, than the
            baseline.
        improvement: Probability of improvement, 0 to 1.
        preliminary: Whether there are fewer than 10 seeds.
        settings: Training settings of both arms that differ from the job's, in words; None if none do.
        baseline_settings: How the baseline is trained, in words, if its settings differ from the job's.
        missing: Seeds of the final evaluation that have no result, because the job was cut off.
    """

    best: Arm
    baseline: Arm
    verdict: str
    improvement: float
    preliminary: bool
    settings: str | None = None
    baseline_settings: str | None = None
    missing: int = 0

    @property
    def cut_off(self) -> str | None:
        """That the final evaluation is incomplete, in a sentence; None if it is complete."""
        return cut_off_words(len(self.best.seeds), self.missing)


_MOST_DRAWN = 4


def trained_candidates(connection: Readable, job_id: str) -> list[str]:
    """Return the candidates, at most four, of which a point of the learning curve is stored; not the baseline."""
    trials = reads.trials_of(connection, job_id=job_id)
    begun = [t for t in trials if t.candidate_id != f"{job_id}-sparse" and reads.curve_of(connection, t.id)]
    return list(dict.fromkeys(t.candidate_id for t in begun))[:_MOST_DRAWN]


def read_claim(connection: Readable, job: Job) -> Claim | None:
    """Return the final evaluation of a job, or None if there was none."""
    if job.best_candidate is None:
        return None
    changes = reads.get_candidate(connection, job.best_candidate).training_changes
    best = read_arm(connection, job.best_candidate, changes)
    baseline = read_arm(connection, f"{job.id}-sparse", changes)
    if best is None or baseline is None:
        return None
    summary = job.claim if _is_of(job.claim, best, baseline) else _summarise(best, baseline)
    if summary is None:
        return None
    return Claim(
        _described(best, summary["designed"]),
        _described(baseline, summary["sparse"]),
        summary["verdict"],
        summary["improvement"],
        summary["preliminary"],
        settings_words(changes, job.spec["training"]),
        baseline_words(job.spec.get("baseline_training")),
        missing_seeds(job, len(best.seeds)),
    )


def missing_seeds(job: Job, done: int) -> int:
    """Return how many seeds of the final evaluation have no result; 0 while the job runs."""
    return 0 if job.state == "running" else max(0, int(job.spec.get("confirm") or 0) - done)


def cut_off_words(done: int, missing: int) -> str | None:
    """Return that a final evaluation was cut off, in a sentence; None if no seed is missing."""
    if not missing:
        return None
    return f"The final evaluation was cut off: {done} of {done + missing} seeds have a result."


def _is_of(claim: Mapping[str, Any] | None, best: Arm, baseline: Arm) -> bool:
    """Return whether a stored claim has these scores; an extended job may have evaluated another candidate since."""
    arms = (("designed", best), ("sparse", baseline))
    return claim is not None and all(
        claim[name]["scores"] == {str(seed): score for seed, score in arm.by_seed.items()} for name, arm in arms
    )


def _summarise(best: Arm, baseline: Arm) -> Mapping[str, Any] | None:
    from rewardsmith.reporting import statistics  # numpy

    return statistics.summarise(best.by_seed, baseline.by_seed, minimize=best.scale is not None and best.scale.sign < 0)


def described_alone(arm: Arm) -> Arm:
    """Return an arm with its mean and interval, for uses without a comparison."""
    from rewardsmith.reporting import statistics  # numpy

    return _described(arm, statistics.describe(arm.success))


def _described(arm: Arm, summary: Mapping[str, Any]) -> Arm:
    low, high = summary["interval"] or (-math.inf, math.inf)
    return replace(arm, mean=summary["mean"], interval=(low, high))


def read_arm(connection: Readable, candidate_id: str, changes: Mapping[str, Any] = MappingProxyType({})) -> Arm | None:
    """Return a candidate's trials of the final evaluation, or None.

    changes: training settings of these trials that differ from the job's.
    """
    spec = reads.get_job(connection, candidate_id.split("-")[0]).spec
    measure = measure_of(spec)
    scale = measure.scale
    found = [t for t in reads.trials_of(connection, candidate_id=candidate_id) if t.purpose == "confirm"]
    by_seed = scores_by_seed([t for t in found if t.training_changes == changes], scale)
    trials = [t for t in found if t.training_changes == changes and t.seed in by_seed]
    if not trials:
        return None
    worst = 0.0 if scale is None else scale.random
    greedy = [measure.greedy_of(t) for t in trials]
    return Arm(
        candidate=candidate_id,
        seeds=[t.seed for t in trials],
        success=[by_seed[t.seed] for t in trials],
        greedy=[worst if value is None else float(value) for value in greedy],
        steps=max(t.steps for t in trials),
        steps_to_90=[steps_to_90(connection, t, measure) for t in trials],
        full_points=all(has_full_points(t, spec) for t in trials),
        unseen=all(bool(t.unseen) for t in trials if t.state == "done"),
        episodes=min((t.episodes or 0 for t in trials if t.state == "done"), default=0),
        failed=sum(t.state == "failed" for t in trials),
        starts=kind_of_starts(trials),
        scale=scale,
        fixed=measure.fixed,
    )


def kind_of_starts(trials: Sequence[Trial]) -> str:
    """Return what the starts of the trials' task are called: "layouts", "starts" or "one start"."""
    told = {Telemetry.from_json(t.telemetry).starts for t in trials if t.state == "done"}
    return told.pop() if len(told) == 1 else "layouts"


def has_full_points(trial: Trial, spec: Mapping[str, Any]) -> bool:
    """Return whether the points of a trial's curve have as many episodes as the steps to 90 % need.

    They have on the compiled engine and in final evaluations, unless `training.eval_episodes` is smaller.
    """
    asked = int((spec.get("training") or {}).get("eval_episodes", FULL_POINT))
    return asked >= FULL_POINT and not Telemetry.from_json(trial.telemetry).sequential


def reached_words(steps: int | None, full_points: bool) -> str:
    """Return the steps to 90 % as text: a number, "never", or "-" where points of the curve have too few episodes."""
    if not full_points:
        return "-"
    return "never" if steps is None else f"{steps:,}"


def steps_to_90(connection: Readable, trial: Trial, measure: Measure) -> int | None:
    """Return the steps at the first of three points in a row at 90 % success, or a normalised score of 0.9.

    None if there are no such points, or if scores are not normalised.
    """
    if measure.scale is not None and not measure.scale.has_reference:
        return None
    curve = [(p["steps"], measure.of_point(p)[0]) for p in reads.curve_of(connection, trial.id)]
    known = [(steps, measure.merit(value)) for steps, value in curve if value is not None]
    if not known:
        return None
    return steps_to_threshold([steps for steps, _ in known], [merit for _, merit in known])


def curves_of(
    connection: Readable, candidate_id: str, changes: Mapping[str, Any] | None = None
) -> list[list[Mapping[str, Any]]]:
    """Return the learning curves of a candidate, one list of points per trial.

    They are those of the final evaluation, or of the search if there was none.

    Args:
        connection: A connection to the database.
        candidate_id: The candidate.
        changes: Training settings of the final evaluation that differ from the job's; by default those of the
            candidate's second training, if that counts.
    """
    candidate = reads.get_candidate(connection, candidate_id)
    changes = candidate.training_changes if changes is None else changes
    trials = reads.trials_of(connection, candidate_id=candidate_id)
    claimed = [t for t in trials if t.purpose == "confirm" and t.training_changes == changes]
    shown = claimed or [t for t in trials if t.purpose == candidate.search_purpose]
    return [reads.curve_of(connection, t.id) for t in shown if t.state != "running"]

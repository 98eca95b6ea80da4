"""The results of the public functions: typed, with a view in notebooks, and convertible to records and JSON."""

from __future__ import annotations

import json
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from rewardsmith import notebook
from rewardsmith.reporting.measure import measure_of
from rewardsmith.reporting.overview import Row, read_overview
from rewardsmith.reporting.queries import Arm, Claim, read_claim
from rewardsmith.scores import ScoreScale
from rewardsmith.storage import reads
from rewardsmith.storage.scored import score_at

if TYPE_CHECKING:
    from rewardsmith.offline.check_reward import CheckedReward
    from rewardsmith.storage.reads import Readable


class Result(ABC):
    """Base class of the results of the public functions."""

    @abstractmethod
    def to_records(self) -> list[dict[str, Any]]:
        """Return the result's table as a list of rows, for `pandas.DataFrame` or `polars.DataFrame`."""

    def as_dict(self) -> dict[str, Any]:
        """Return the whole result as data that JSON can represent; infinite numbers and NaN become None."""
        return _plain(asdict(self))  # type: ignore[call-overload]

    def to_json(self, indent: int | None = 2) -> str:
        """Return the whole result as JSON; `indent` is that of `json.dumps`."""
        return json.dumps(self.as_dict(), indent=indent)


@dataclass(frozen=True)
class CandidateResult:
    """One candidate of a job: a program and its results in the search.

    Attributes:
        id: The candidate's id, JOB-NAME.
        iteration: The round of its design, from 1; 0 for the sparse baseline.
        move: How it was made: "new", "revise", "combine", "repair", "fork" or "baseline".
        state: Its state: "designing", "checking", "training", "trained", "rejected", ...
        best: Whether it is the job's best candidate.
        success: Success rate in the search, 0 to 1; None before the first evaluation.
        success_low: Lower end of its 95 % confidence interval (Wilson).
        success_high: Upper end of its 95 % confidence interval (Wilson).
        steps: Environment steps of its training in the search.
        difficulty: Predicted difficulty of learning; smaller is easier.
        note: The rejection reason, or another remark.
        source: Text of the program; empty for the baseline.
        score: Score in the search, where the task has a score instead of a success: a mean return; else None.
        score_low: Lower end of its 95 % confidence interval.
        score_high: Upper end of its 95 % confidence interval.
        played: Environment steps of the search that were played without training on them, by purpose.
    """

    id: str
    iteration: int
    move: str
    state: str
    best: bool
    success: float | None
    success_low: float | None
    success_high: float | None
    steps: int
    difficulty: float | None
    note: str
    source: str
    score: float | None = None
    score_low: float | None = None
    score_high: float | None = None
    played: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class CurvePoint:
    """One evaluation during training: a point of a learning curve.

    Attributes:
        candidate: The candidate's id.
        purpose: Purpose of the trial: "search", "retrain" or "confirm".
        seed: Training seed of the trial.
        steps: Environment steps trained so far.
        success: Success rate of the stochastic policy, 0 to 1.
        episodes: Episodes of the evaluation.
        shaped_return: Mean return of the training episodes since the last point, in the reward trained on.
        env_return: Mean return of the same episodes in the environment's own reward.
        score: Score of the stochastic policy, where the task has a score instead of a success; else None.
    """

    candidate: str
    purpose: str
    seed: int
    steps: int
    success: float | None
    episodes: int | None
    shaped_return: float | None
    env_return: float | None
    score: float | None = None


Table = Literal["candidates", "curves", "claim"]
"""The tables of a JobResult."""


@dataclass(frozen=True)
class JobResult(Result):
    """A job, finished or running: its claim, its best program, its candidates and their learning curves.

    Attributes:
        job_id: The job's id.
        task: Task id, or the path of the YAML file that describes the task.
        method: Name of the method.
        state: "running", "paused", "done", "failed" or "cancelled".
        note: Why the job ended or was paused; None while it runs.
        best: Id of the best candidate; None if there is none.
        source: Text of the best candidate's program.
        oracle_informed: Whether the design used privileged information: a planner or the simulator's state.
        claim: The final evaluation: the best candidate against the sparse baseline on held-out seeds; None if the job
            made none.
        candidates: Every candidate, the baseline first.
        curves: Every evaluation of every trial that is not running.
        scale: The scale of the task's scores (random play, reference, direction); None if the task has a success.
        steps: Environment steps of the "search" and of the "claim" by purpose: "trained", and those played without
            training on them in "check", "curve", "success", "greedy" and "watching"; also those "saved" by reuse.
    """

    job_id: str
    task: str
    method: str
    state: str
    note: str | None
    best: str | None
    source: str | None
    oracle_informed: bool
    claim: Claim | None
    candidates: tuple[CandidateResult, ...] = field(default=(), repr=False)
    curves: tuple[CurvePoint, ...] = field(default=(), repr=False)
    scale: ScoreScale | None = None
    steps: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    def to_records(self, table: Table = "candidates") -> list[dict[str, Any]]:
        """Return one of the job's tables as a list of rows.

        Args:
            table: "candidates": a row per candidate. "curves": a row per evaluation. "claim": a row per candidate (the
                best one and the baseline) and seed.
        """
        if table == "claim":
            return [] if self.claim is None else [*_arm_records(self.claim.best), *_arm_records(self.claim.baseline)]
        return [_plain(asdict(each)) for each in (self.candidates if table == "candidates" else self.curves)]

    def _repr_html_(self) -> str:
        told = {"task": self.task, "method": self.method, "state": self.state, "note": self.note, "best": self.best}
        measured = "success" if self.scale is None else "score"
        columns = ("id", "iteration", "move", "state", measured, "steps", "best", "note")
        return (
            notebook.facts(f"Job {self.job_id}", {**told, **_claim_facts(self.claim)})
            + notebook.curves(f"Learning curves: {measured}", self._arms())
            + notebook.table("Candidates", self.to_records(), columns)
            + notebook.program("The best program", self.source)
        )

    def _arms(self) -> dict[str, list[list[tuple[int, float]]]]:
        """Return the points of the best candidate's and the baseline's trials: of the claim, or else of the search."""
        arms: dict[str, list[list[tuple[int, float]]]] = {}
        for name in (self.best, f"{self.job_id}-sparse"):
            mine = [point for point in self.curves if point.candidate == name]
            claimed = [point for point in mine if point.purpose == "confirm"] or mine
            trials: dict[tuple[str, int], list[tuple[int, float]]] = {}
            for point in claimed:
                value = point.success if self.scale is None else point.score
                if value is not None:
                    trials.setdefault((point.purpose, point.seed), []).append((point.steps, value))
            if name is not None and trials:
                arms[name] = [*trials.values()]
        return arms


@dataclass(frozen=True)
class CheckVerdict:
    """The verdict of one check of a reward.

    Attributes:
        check: "gate", "contract", "cost", "determinism", "battery" or "certificate".
        passed: Whether the reward passed.
        message: The finding in a sentence.
        details: The figures of the finding.
    """

    check: str
    passed: bool
    message: str
    details: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True)
class CheckResult(Result):
    """The verdicts on one reward.

    Attributes:
        task: The task's id.
        functions: Names of the reward functions that the program defines.
        gamma: The discount of the learner that the checks assumed.
        passed: Whether no check failed.
        verdicts: The checks in their order, up to the first that failed.
        not_run: Reasons for the checks that cannot run on this task, by check.
        soundness: The certificate's verdict over all layouts, with `headline` and `smallest_margin`; None without a
            certificate.
        shaping: The shaping-to-task reward ratio; None without a battery.
        difficulty: Predicted difficulty of learning; smaller is easier.
        components: Statistics of each component of the reward over the played transitions, by name.
        counterexamples: Behaviours with a higher return than a solution that do not solve the task. Each has a layout,
            a seed, its actions (`prefix` once, then `cycle` repeatedly), its return, and a description (`text`).
        origin: Where the reward comes from: its `kind` (file, text, function, wrapper, environment), the `file` and
            `line` of its definition, where it `runs_in` ("sandbox" or "this process"), and `why` not in the sandbox.
    """

    task: str
    functions: tuple[str, ...]
    gamma: float
    passed: bool
    verdicts: tuple[CheckVerdict, ...]
    not_run: Mapping[str, str]
    soundness: Mapping[str, Any] | None
    shaping: Mapping[str, Any] | None
    difficulty: float | None
    components: Mapping[str, Mapping[str, float]] = field(repr=False)
    counterexamples: tuple[Mapping[str, Any], ...] = field(repr=False)
    origin: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def verdict(self, check: str) -> CheckVerdict | None:
        """Return the verdict of the named check, or None if it was not reached."""
        return next((v for v in self.verdicts if v.check == check), None)

    def to_records(self) -> list[dict[str, Any]]:
        """Return a row per check: check, passed, message."""
        return [{"check": v.check, "passed": v.passed, "message": v.message} for v in self.verdicts]

    def save_counterexamples(self, path: str | Path) -> int:
        """Write the counter-examples as JSON, for `check(..., exploits=path)` to play; how many there are."""
        Path(path).write_text(json.dumps([*self.counterexamples], indent=1), encoding="utf-8")
        return len(self.counterexamples)

    def _repr_html_(self) -> str:
        headline = None if self.soundness is None else self.soundness["headline"]
        told = {"passed": self.passed, "certificate": headline, "gamma": self.gamma, "difficulty": self.difficulty}
        told |= {"runs in": self.origin["runs_in"]} if self.origin.get("runs_in", "sandbox") != "sandbox" else {}
        skipped = [{"check": name, "passed": "not run", "message": why} for name, why in self.not_run.items()]
        return notebook.facts(f"Check on {self.task}", told) + notebook.table(
            "Checks", [*self.to_records(), *skipped], ("check", "passed", "message")
        )


@dataclass(frozen=True)
class ExportResult(Result):
    """The files that `export` wrote.

    Attributes:
        candidate: Id of the exported candidate.
        folder: The folder that holds the files.
        files: Paths of the files.
        notes: Warnings about the export, such as a policy that could not be read.
    """

    candidate: str
    folder: Path
    files: tuple[Path, ...]
    notes: tuple[str, ...] = ()

    def to_records(self) -> list[dict[str, Any]]:
        """Return a row per file: its path and its size in bytes."""
        return [{"file": str(path), "bytes": path.stat().st_size} for path in self.files]

    def _repr_html_(self) -> str:
        told = {"folder": self.folder, "notes": "; ".join(self.notes) or None}
        return notebook.facts(f"Export of {self.candidate}", told) + notebook.table(
            "Files", self.to_records(), ("file", "bytes")
        )


def read_job(connection: Readable, job_id: str) -> JobResult:
    """Read the present state of a job from the database."""
    shown = read_overview(connection, job_id)
    job, sources = shown.job, {c.id: c.source for c in reads.candidates_of(connection, job_id)}
    candidates = tuple(_candidate_of(row, sources[row.candidate]) for row in shown.rows)
    curves = tuple(
        CurvePoint(
            trial.candidate_id,
            trial.purpose,
            trial.seed,
            *(point[name] for name in _OF_A_POINT),
            score=_score_at(point),
        )
        for trial in reads.trials_of(connection, job_id=job_id)
        if trial.state != "running"
        for point in reads.curve_of(connection, trial.id)
    )
    return JobResult(
        job_id=job.id,
        task=job.task,
        method=job.method,
        state=job.state,
        note=job.note,
        best=job.best_candidate,
        source=sources.get(job.best_candidate or ""),
        oracle_informed=job.oracle_informed,
        claim=read_claim(connection, job),
        candidates=candidates,
        curves=curves,
        scale=measure_of(job.spec).scale,
        steps={name: counts.as_json() for name, counts in zip(("search", "claim"), shown.steps, strict=True)},
    )


def _score_at(point: Mapping[str, Any]) -> float | None:
    told = score_at(point)
    return None if told is None else told.mean


_OF_A_POINT = ("steps", "success", "episodes", "shaped_return", "env_return")


def _candidate_of(row: Row, source: str) -> CandidateResult:
    return CandidateResult(
        id=row.candidate,
        iteration=row.iteration,
        move=row.move,
        state=row.state,
        best=row.best,
        success=row.success,
        success_low=row.low,
        success_high=row.high,
        steps=row.steps,
        difficulty=row.difficulty,
        note=row.note,
        source=source,
        score=row.score,
        score_low=row.score_low,
        score_high=row.score_high,
        played=row.played_for,
    )


def read_check(found: CheckedReward) -> CheckResult:
    """Convert the verdicts of `offline.check_reward` to the public result."""
    said = found.as_dict()
    certificate = found.verdict("certificate")
    layouts = certificate.details["layouts"] if certificate is not None else []
    searched = [v.details["counterexample"] for v in found.checked.verdicts if v.kind == "search" and not v.passed]
    return CheckResult(
        task=found.task,
        functions=found.functions,
        gamma=found.gamma,
        passed=found.passed,
        verdicts=tuple(CheckVerdict(v.kind, v.passed, v.message, v.details) for v in found.checked.verdicts),
        not_run=said["not_run"],
        soundness=said["soundness"],
        shaping=said["shaping"],
        difficulty=said["difficulty"],
        components=said["components"],
        counterexamples=(*(each["counterexample"] for each in layouts if each["counterexample"]), *searched),
        origin=said["origin"],
    )


def _claim_facts(claim: Claim | None) -> dict[str, str]:
    if claim is None:
        return {}
    seeds = f"{len(claim.best.seeds)} fresh seeds" + (", preliminary" if claim.preliminary else "")
    measure = claim.best.measure
    return {
        f"{measure.name} ({seeds})": measure.show(claim.best.mean, *claim.best.interval),
        "sparse baseline": measure.show(claim.baseline.mean, *claim.baseline.interval),
        "verdict": claim.verdict,
    }


def _arm_records(arm: Arm) -> list[dict[str, Any]]:
    full = {"full_points": arm.full_points}  # without them, None in steps_to_90 is not "never"
    rows = [
        {"candidate": arm.candidate, "seed": seed, arm.measure.name: value, "greedy": greedy, "steps_to_90": steps}
        | full
        for seed, value, greedy, steps in zip(arm.seeds, arm.success, arm.greedy, arm.steps_to_90, strict=True)
    ]
    if arm.normalised is not None:
        rows = [{**row, "normalised": value} for row, value in zip(rows, arm.normalised, strict=True)]
    return rows


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return str(value) if isinstance(value, Path) else value


__all__ = ["CandidateResult", "CheckResult", "CheckVerdict", "CurvePoint", "ExportResult", "JobResult", "Result"]

"""The data of a job's screen: a row per candidate, the current round, the costs. Used by `run`, `show` and `watch`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rewardsmith.reporting.measure import UNKNOWN, Value, measure_of
from rewardsmith.reporting.step_counts import StepCounts
from rewardsmith.reporting.text import adjustment_words
from rewardsmith.storage import reads as stored
from rewardsmith.storage.rows import OPEN, Candidate, Item, Job, Trial
from rewardsmith.telemetry import Telemetry

if TYPE_CHECKING:
    from rewardsmith.storage.reads import Readable


@dataclass(frozen=True)
class Row:
    """One candidate's line in the table of a job."""

    candidate: str
    iteration: int
    move: str
    state: str  # in words: designing, checking, queued, training, trained, rejected, ...
    rung: str  # "2/3"
    steps: int
    success: float | None
    low: float | None
    high: float | None
    speed: float | None  # environment steps per second
    note: str
    best: bool
    difficulty: float | None = None  # predicted before training, smaller learns sooner
    predicted_rank: int | None = None  # by that, among the candidates of its round; the first trains first
    played: int = 0  # environment steps played in the search without training on them
    adjustment: str | None = None  # why and how it was trained once more, and what came of it
    retrained: int = 0  # of `steps`, those with other settings
    score: float | None = None  # mean score where nothing is a success; `success` is then None
    score_low: float | None = None
    score_high: float | None = None
    played_for: dict[str, int] = field(default_factory=dict)  # the steps of `played` by purpose
    claim_steps: int = 0  # environment steps that the final evaluation trained
    claim_played_for: dict[str, int] = field(default_factory=dict)  # and played without training on them
    revised_as: str | None = None  # the candidate that repairs this one, which was sent back

    @property
    def shown_state(self) -> str:
        """The state in words: a program that was sent back and repaired is no dead end."""
        return "sent back" if self.state == "rejected" and self.revised_as is not None else self.state

    @property
    def measured(self) -> Value:
        """Success rate or score, with the ends of its interval."""
        if self.score is not None:
            return self.score, self.score_low, self.score_high
        return self.success, self.low, self.high


@dataclass(frozen=True)
class Overview:
    """A job with its candidates, progress and costs."""

    job: Job
    rows: list[Row]
    iteration: int
    open_items: int
    confirm_done: int
    confirm_total: int
    costs: dict[str, Any]
    steps: tuple[StepCounts, StepCounts] = (StepCounts(0, {}, 0), StepCounts(0, {}, 0))  # of the search, of the claim
    working: tuple[str, ...] = ()  # kinds of the work items under way
    asked: tuple[tuple[str, int, datetime], ...] = ()  # role, calls of a model under way, time of the first

    @property
    def waiting(self) -> str:
        """Whom the job waits for and since when, as "waiting for the designer: 2 prompts, 90 s"; "" without a call."""
        found = []
        for role, count, since in self.asked:
            prompts = f"{count} prompt{'' if count == 1 else 's'}"
            found.append(f"the {role}: {prompts}, {max(0.0, (datetime.now(UTC) - since).total_seconds()):.0f} s")
        return f"waiting for {'; '.join(found)}" if found else ""

    @property
    def doing(self) -> str:
        """What is under way, in words; "" for nothing."""
        return ", ".join(words for kind, words in _DOING.items() if kind in self.working)

    @property
    def raced(self) -> tuple[int, int]:
        """Environment steps that the search trained, and steps that training every candidate to the end would take.

        Candidates that passed their checks and were not trained count in the second number. Second trainings with
        other settings count in neither. (0, 0) if there are fewer than two candidates.
        """
        steps = [row.steps - row.retrained for row in self.rows if row.rung or row.predicted_rank is not None]
        if len(steps) < 2:
            return 0, 0
        return sum(steps), len(steps) * int(self.job.spec["steps"]) * int(self.job.spec.get("seeds", 1))


def read_overview(connection: Readable, job_id: str) -> Overview:
    """Read the data of a job's screen."""
    job = stored.get_job(connection, job_id)
    items = stored.items_of(connection, job_id)
    trials = stored.trials_of(connection, job_id=job_id)
    candidates = stored.candidates_of(connection, job_id)
    predicted = _predicted(candidates, items)
    repaired = {c.parents[0]: c.id for c in candidates if c.move == "repair" and c.parents}
    rows = [
        replace(row_of(connection, job, c, items, trials, predicted), revised_as=repaired.get(c.id)) for c in candidates
    ]
    rounds = stored.iterations_of(connection, job_id)
    confirm = [i for i in items if i.key.kind == "confirm"]
    (costs,) = stored.fetch(connection, "v_costs", job_id=job_id)
    return Overview(
        job,
        rows,
        rounds[-1].number if rounds else 0,
        sum(i.state in OPEN for i in items),
        sum(i.state == "done" for i in confirm),
        len(confirm),
        costs,
        (_steps(trials, "search", items), _steps(trials, "confirm")),
        tuple({i.key.kind for i in items if i.state == "leased"}),
        _asked(connection, job_id),
    )


_DOING = {
    "baseline": "training the sparse baseline", "design": "designing", "check": "checking", "recheck": "checking again",
    "train": "training", "analyse": "analysing",
}  # fmt: skip


def _asked(connection: Readable, job_id: str) -> tuple[tuple[str, int, datetime], ...]:
    """Return (role, calls under way, time of the first) for each role that a model is being asked for."""
    rows = stored.fetch(connection, "llm_calls", columns=("role", "owner", "created_at"), job_id=job_id)
    calls = [row for row in rows if row["owner"] is not None]
    roles = sorted({row["role"] for row in calls})
    times = {role: [row["created_at"] for row in calls if row["role"] == role] for role in roles}
    return tuple((role, len(began), min(began)) for role, began in times.items())


def steps_of(connection: Readable, c: Candidate) -> tuple[StepCounts, StepCounts]:
    """Return the environment steps of a candidate in the search and in the final evaluation, by purpose."""
    trials = stored.trials_of(connection, candidate_id=c.id)
    items = [i for i in stored.items_of(connection, c.job_id) if i.key.candidate == c.id]
    return _steps(trials, "search", items), _steps(trials, "confirm")


def _steps(trials: list[Trial], purpose: str, items: Sequence[Item] = ()) -> StepCounts:
    purposes = ("search", "retrain") if purpose == "search" else (purpose,)
    mine = [t for t in trials if t.purpose in purposes]
    telemetries = [Telemetry.from_json(t.telemetry) for t in mine]
    played: Counter[str] = Counter()
    if purpose == "search":
        checks = [i for i in items if i.key.kind in ("check", "recheck")]
        played["check"] = sum((i.result or {}).get("played", 0) for i in checks)
    for counts in (each.played for each in telemetries):
        played.update({name: count for name, count in counts.items() if name != "check"})
    least = sum(each.played_least for each in telemetries)
    begun = [(t.candidate_id, each.reused) for t, each in zip(mine, telemetries, strict=True) if each.reused]
    saved = [told["saved"] for _, told in begun if told["donor"]]
    empty = {candidate: told["note"] for candidate, told in begun if not told["donor"]}
    return StepCounts(sum(t.steps for t in mine), dict(+played), least, sum(saved), len(saved), empty)


def row_of(
    connection: Readable,
    job: Job,
    c: Candidate,
    items: list[Item],
    trials: list[Trial],
    predicted: dict[str, tuple[float, int]],
) -> Row:
    """Return a candidate's line in the table of a job.

    Args:
        connection: A connection to the database.
        job: The candidate's job.
        c: The candidate.
        items: Work items, at least those of the candidate.
        trials: Trials, at least those of the candidate.
        predicted: Predicted difficulty and its rank in the round, by candidate.
    """
    mine = [i for i in items if i.key.candidate == c.id and i.key.kind in SEARCHING]
    searched = [t for t in trials if t.candidate_id == c.id and t.purpose in ("search", "retrain")]
    trial = next((t for t in searched if t.purpose == c.search_purpose), None)
    rungs = [i.key.rung for i in mine if i.key.kind == "train"]
    measure = measure_of(job.spec)
    value = measure.of_trial(trial) if trial else UNKNOWN
    training = any(i.state == "leased" and i.key.kind in ("train", "baseline") for i in mine)
    if training and trial:
        point = (stored.curve_of(connection, trial.id) or [{}])[-1]
        if (latest := measure.of_point(point))[0] is not None:
            value = latest
    searching, claim = (
        _steps(searched, "search", mine),
        _steps([t for t in trials if t.candidate_id == c.id], "confirm"),
    )
    success, score = (value, UNKNOWN) if measure.scale is None else (UNKNOWN, value)
    return Row(
        candidate=c.id,
        iteration=c.iteration,
        move=c.move,
        state=_state(c, mine),
        rung=f"{max(rungs) + 1}/{len(job.spec['rungs'])}" if rungs else "",
        steps=sum(t.steps for t in searched),
        success=success[0],
        low=success[1],
        high=success[2],
        speed=trial.steps_per_second if trial else None,
        note=(c.rejection_reason or trouble_of(mine) or adjustment_words(c.adjustment) or "").split("\n")[0],
        best=c.id == job.best_candidate,
        difficulty=predicted.get(c.id, (None, None))[0],
        predicted_rank=predicted.get(c.id, (None, None))[1],
        played=sum(searching.played.values()),
        played_for=searching.played,
        claim_steps=claim.trained,
        claim_played_for=claim.played,
        adjustment=adjustment_words(c.adjustment),
        retrained=sum(t.steps for t in searched if t.purpose == "retrain"),
        score=score[0],
        score_low=score[1],
        score_high=score[2],
    )


SEARCHING = ("check", "recheck", "train", "baseline", "analyse")
"""Kinds of a candidate's work items in the search, except its design."""


def _predicted(candidates: list[Candidate], items: list[Item]) -> dict[str, tuple[float, int]]:
    """Return (predicted difficulty, rank in its round) of each candidate that passed its checks."""
    passed = {i.key.candidate: i.result or {} for i in items if i.key.kind == "check" and i.state == "done"}
    found: dict[str, tuple[float, int]] = {}
    for number in {c.iteration for c in candidates}:
        round_ = [(passed.get(c.id, {}), c.id) for c in candidates if c.iteration == number]
        scores = [(r["difficulty"], name) for r, name in round_ if r.get("passed") and r.get("difficulty") is not None]
        found |= {name: (score, rank) for rank, (score, name) in enumerate(sorted(scores), start=1)}
    return found


def trouble_of(items: list[Item]) -> str | None:
    """Return why a candidate's work failed for a reason other than its program, or None."""
    ended = (i for i in items if i.state in ("failed", "lost"))
    return next((i.error or "its work item was lost" for i in ended), None)


def _state(c: Candidate, items: list[Item]) -> str:
    if c.state in ("rejected", "vetoed"):
        return c.state
    for item in items:
        if item.state == "leased":
            return {"check": "checking", "recheck": "checking", "analyse": "analysing"}.get(item.key.kind, "training")
        if item.state == "queued":
            return "waiting"
    if trouble_of(items):
        return "failed"
    if c.kind == "baseline":
        cancelled = c.score is None and any(i.state == "cancelled" for i in items)
        return "cancelled" if cancelled else "baseline"
    return {"designed": "designed", "passed": "passed", "trained": "trained"}[c.state]

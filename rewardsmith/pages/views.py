"""The data of each page, as values for its template. Pages of a server and of a report get the same values."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from rewardsmith.pages import drawing, reading
from rewardsmith.pages.rendering import code, diff
from rewardsmith.reporting import hypotheses, queries, text
from rewardsmith.reporting.lineage import place_lineage
from rewardsmith.reporting.measure import Measure, measure_of
from rewardsmith.reporting.queries import Arm, Claim
from rewardsmith.scores import NEED_SUCCESS, NOT_RUN
from rewardsmith.storage import reads
from rewardsmith.storage.rows import Candidate, Job, Trial
from rewardsmith.telemetry import Telemetry

_VERDICTS = {
    "better": "It is better than the environment's own reward.",
    "not shown": "No difference from the environment's own reward is shown.",
    "worse": "It is worse than the environment's own reward.",
}


def job_values(connection: Connection, job: Job, sums: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return what the head of a job's page shows: verdict, intervals, progress, budget, what is being done.

    sums: `costs` and `counts` of the job (reading.Sums), {} to leave them out; read here if it is None.
    """
    claim = queries.read_claim(connection, job)
    measure = measure_of(job.spec)
    rounds = reads.iterations_of(connection, job.id)
    busy = reading.busy_items(connection, job.id)
    sums = reading.Sums().of(connection, job.id) if sums is None else sums
    costs = sums.get("costs")
    return {
        "job": job,
        "measure": measure,
        "recipe": text.recipe_words(job.spec),
        "designer": job.spec.get("model") if job.spec.get("designs", True) else None,
        "verdict": verdict_words(job, claim, len(rounds)),
        "claim": claim,
        "arms": claim_rows(claim),
        "intervals": claim_svg(claim),
        "counts": sums.get("counts", {}),
        "busy": busy,
        "costs": costs,
        "budget": budget_rows(job, costs) if costs else [],
        "notes": notes_of(job, measure),
    }


def verdict_words(job: Job, claim: Claim | None, round_number: int) -> list[str]:
    """Return how a job ended, or how far it is, in sentences; the most important one first."""
    if claim is not None:
        best, base, measure = claim.best, claim.baseline, claim.best.measure
        plural = "" if len(best.seeds) == 1 else "s"
        seeds = f"{len(best.seeds)} fresh seed{plural}" + (", preliminary" if claim.preliminary else "")
        what = "success" if measure.scale is None else "a score of"
        mine, theirs = (measure.show(arm.mean, *arm.interval) for arm in (best, base))
        if measure.scale is None:
            first = f"{best.candidate} solves {mine} of {best.where}; the environment's own reward {theirs} ({seeds})."
        else:
            first = f"{best.candidate} reaches {what} {mine}; the environment's own reward {theirs} ({seeds})."
        few = " At least 4 seeds are needed to show one." if len(best.seeds) < 4 else ""
        more = f"The probability of improvement is {claim.improvement:.2f}."
        return [first, f"{_VERDICTS[claim.verdict]}{few} {more}"]
    note = [job.note] if job.note else []
    if job.state == "running":
        return [f"Running: round {round_number} of {job.spec['iterations']}." if round_number else "Starting.", *note]
    ended = {"done": "The job ended without a final evaluation.", "failed": "The job failed."}
    return [ended.get(job.state, f"The job is {job.state}."), *note]


def claim_rows(claim: Claim | None) -> list[dict[str, Any]]:
    """Return a row per arm of the final evaluation, for a table."""
    if claim is None:
        return []
    return [_arm_row(arm) for arm in (claim.best, claim.baseline)]


def _arm_row(arm: Arm) -> dict[str, Any]:
    measure = arm.measure
    return {
        "candidate": arm.candidate,
        "value": measure.show(arm.mean, *arm.interval),
        "each": " ".join(map(measure.short, arm.success)),
        "greedy": "" if measure.fixed else " ".join(map(measure.short, arm.greedy)),
        "steps": arm.steps,
        "reached": " ".join(queries.reached_words(s, arm.full_points) for s in arm.steps_to_90),
        "failed": arm.failed,
    }


def claim_svg(claim: Claim | None) -> Any:
    """Return the drawing of both arms with their intervals, or ""."""
    if claim is None:
        return ""
    named = (("designed", claim.best), ("baseline", claim.baseline))
    return drawing.intervals_svg([(n, a.mean, a.interval, a.success) for n, a in named], claim.best.measure)


def budget_rows(job: Job, costs: Mapping[str, Any]) -> list[tuple[str, float, float, str]]:
    """Return (name, used, limit, words) of each limit of the job's budget."""
    budget = job.spec.get("budget") or {}
    used = {
        "dollars": (costs["dollars"], "${:.2f} of ${:.2f}"), "calls": (costs["calls"], "{:,.0f} of {:,.0f} calls"),
        "tokens": (costs["tokens"], "{:,.0f} of {:,.0f} tokens"),
        "env_steps": (costs["env_steps"], "{:,.0f} of {:,.0f} steps"),
        "seconds": (job.active_seconds, "{:,.0f} of {:,.0f} s"),
    }  # fmt: skip
    rows = [(name, float(value or 0), budget.get(name), words) for name, (value, words) in used.items()]
    return [(n, value, float(limit), w.format(value, limit)) for n, value, limit, w in rows if limit is not None]


def notes_of(job: Job, measure: Measure) -> list[str]:
    """Return remarks on a job's results that must not be missing beside them."""
    notes = [*([text.ORACLE_INFORMED] if job.oracle_informed else []), *text.training_words(job.spec)]
    if (stepped := text.stepping_words(job.spec)) is not None:
        notes.append(stepped)
    if measure.scale is not None:
        notes.append(f"Score: {measure.scale.words}")
    changes = (job.spec.get("description") or {}).get("changes", ())
    notes += [f"The task changed during the job; results before and after are not comparable: {c}" for c in changes]
    return notes


def curves_values(connection: Connection, job: Job, named: Sequence[str] = ()) -> tuple[dict[str, Any], Measure]:
    """Return the curves of the named candidates, or of the best one, with the baseline, by label."""
    names = list(named) or [name for name in (job.best_candidate,) if name]
    changes = reads.get_candidate(connection, names[0]).training_changes if names else {}
    wanted = dict.fromkeys([*names, f"{job.id}-sparse"])
    return {name: queries.curves_of(connection, name, changes) for name in wanted}, measure_of(job.spec)


def lineage_values(connection: Connection, job: Job, first: int = 0, link: str = "/candidates/") -> dict[str, Any]:
    """Return the drawing of a job's candidates from round `first` on, and where the next drawing begins."""
    rows, following = reading.lineage_page(connection, job.id, first)
    svg = drawing.lineage_svg(place_lineage(rows), job.best_candidate, measure_of(job.spec), link)
    return {"job": job, "tree": svg, "following": following, "first": first}


@dataclass(frozen=True)
class CheckRow:
    """A check in a candidate's checklist."""

    kind: str
    outcome: str  # "passed", "failed", or "undecided" for a certificate that could not be made
    word: str
    message: str
    evidence: str


def candidate_values(connection: Connection, job: Job, candidate: Candidate) -> dict[str, Any]:
    """Return what a candidate's page shows."""
    measure = measure_of(job.spec)
    trials = sorted(
        reads.trials_of(connection, candidate_id=candidate.id),
        key=lambda t: t.purpose not in ("confirm", candidate.search_purpose),
    )
    points = reading.points_of(connection, [t.id for t in trials])
    curves = {t.id: points[t.id] for t in trials}
    parents = reading.candidates_named(connection, candidate.parents)
    analysis = next(iter(reads.fetch(connection, "analyses", candidate_id=candidate.id)), None)
    rows = reading.rows_of(connection, job, [candidate.id])
    telemetry = Telemetry.from_json(next((t.telemetry for t in trials if t.telemetry), None))
    small = not reading.is_large(connection, job.id)
    return {
        "job": job,
        "candidate": candidate,
        "measure": measure,
        "row": rows[0] if rows else None,
        "score": measure.show(candidate.score) if candidate.score is not None else None,
        "code": code(candidate.source),
        "diffs": [
            (name, code(diff(p.source, candidate.source, (name, candidate.id)), "diff")) for name, p in parents.items()
        ],
        "checks": check_rows(connection, candidate),
        "not_run": f"{', '.join(NEED_SUCCESS)}: {NOT_RUN}" if candidate.source and measure.scale else None,
        "channels": candidate.reward.get("channels", []),
        "adjustment": text.adjustment_words(candidate.adjustment),
        "trials": [trial_row(connection, t, curves[t.id], measure, job) for t in trials],
        "telemetry": telemetry,
        "learner": text.learning_words(telemetry.learning),
        "stack": drawing.channels_svg([curves[t.id] for t in trials[:1]]),
        "curve": drawing.curves_svg({candidate.id: [curves[t.id] for t in trials]}, measure) if trials else "",
        "analysis": analysis,
        "tested": [t.words() for t in hypotheses.outcomes_of(connection, candidate)] if analysis and small else [],
        "calls": reading.page_of_calls(connection, job.id, candidate=candidate.id).rows,
    }  # fmt: skip


def check_rows(connection: Connection, candidate: Candidate) -> list[CheckRow]:
    """Return the checklist of a candidate, each check with its evidence as JSON without the recorded episode."""
    rows = []
    for check in reading.checks_of(connection, candidate.id):
        details = text.verdict_details(check["kind"], check["details"])
        kept = {k: v for k, v in (details or {}).items() if k != "episode"}
        word = text.verdict_word(check["kind"], check["passed"], check["details"])
        message = text.verdict_message(check["kind"], check["message"], check["details"])
        rows.append(CheckRow(check["kind"], _outcome(check["passed"], word), word, message, _evidence(kept)))
    return rows


def _outcome(passed: bool, word: str) -> str:
    if not passed:
        return "failed"
    return "passed" if word == "passed" or word.startswith(("sound", "slow")) else "undecided"


def _evidence(details: Mapping[str, Any]) -> str:
    return json.dumps(details, indent=1, default=str) if details else ""


def trial_row(
    connection: Connection, trial: Trial, curve: Sequence[Mapping[str, Any]], measure: Measure, job: Job
) -> dict[str, Any]:
    """Return a trial as the row of a table."""
    values = [measure.of_point(p)[0] for p in curve]
    reached = "-"
    if trial.state in ("done", "stopped") and (measure.scale is None or measure.scale.has_reference):
        full = queries.has_full_points(trial, job.spec)
        reached = queries.reached_words(queries.steps_to_90(connection, trial, measure), full)
    return {
        "purpose": trial.purpose,
        "seed": trial.seed,
        "state": trial.state,
        "steps": trial.steps,
        "value": measure.show(*measure.of_trial(trial)),
        "greedy": measure.show(measure.greedy_of(trial)),
        "reached": reached,
        "sandbox": trial.sandbox_level,
        "speed": trial.steps_per_second,
        "spark": text.sparkline(values, *measure.span(values)) if any(v is not None for v in values) else "-",
        "failure": trial.failure,
    }


def compared_values(connection: Connection, first: Candidate, second: Candidate) -> dict[str, Any]:
    """Return what the page of two candidates shows: the diff, paired seeds, curves."""
    jobs = [reads.get_job(connection, c.job_id) for c in (first, second)]
    measures = [measure_of(job.spec) for job in jobs]
    comparable = (measures[0].scale is None) == (measures[1].scale is None)
    trials = [reads.trials_of(connection, candidate_id=c.id) for c in (first, second)]
    others = {(t.purpose, t.seed): t for t in trials[1]} if comparable else {}
    rows = []
    for t in trials[0]:
        other = others.get((t.purpose, t.seed))
        one, two = (None if each is None else m.of_trial(each)[0] for each, m in zip((t, other), measures, strict=True))
        if one is not None and two is not None:
            change = measures[0].change(one, two)
            rows.append((t.purpose, t.seed, measures[0].show(one), measures[1].show(two), change))
    arms = {c.id: queries.curves_of(connection, c.id) for c in (first, second)}
    return {
        "first": first,
        "second": second,
        "diff": code(diff(first.source, second.source, (first.id, second.id)), "diff"),
        "rows": rows,
        "comparable": comparable,
        "curve": drawing.curves_svg(arms, measures[0]) if comparable else "",
    }

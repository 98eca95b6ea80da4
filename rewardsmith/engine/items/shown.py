"""The parts of prompts that show a candidate and its training. They are the same in every run of a job."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from rewardsmith.storage import records
from rewardsmith.storage.reads import fetch
from rewardsmith.storage.records import Candidate, Trial
from rewardsmith.storage.scored import score_at
from rewardsmith.telemetry import Telemetry, at_point
from rewardsmith.verification.diagnosis import SolutionPay

_CURVE_POINTS = 10  # of a training curve, as in Eureka (arXiv 2310.12931)


def anonymous(candidate: Candidate) -> str:
    """Return the candidate's id without the job's random id, so that a repeated job has the same prompts."""
    return candidate.id.split("-", 1)[1]


def searched_trials(connection: Connection, candidate: Candidate) -> list[Trial]:
    """Return the search's trials that stand for a candidate, by seed."""
    found = records.trials_of(connection, candidate_id=candidate.id)
    return [t for t in found if t.purpose == candidate.search_purpose]


def curve_points(curve: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return at most ten evenly spaced points of a curve, including the last, in the form that prompts show."""
    known = [p for p in curve if p["success"] is not None or score_at(p) is not None]
    count = min(_CURVE_POINTS, len(known))
    chosen = [known[((i + 1) * len(known)) // count - 1] for i in range(count)]
    return [
        {
            "steps": p["steps"],
            **({"success": p["success"]} if (told := score_at(p)) is None else {"score": told.mean}),
            "components": {n: c.mean for n, c in at_point(p).components.items()},
        }
        for p in chosen
    ]


def solution_pay(connection: Connection, candidate: Candidate) -> SolutionPay | None:
    """Return what a candidate's reward pays the task's reference, as its battery found; None without a reference."""
    rows = fetch(connection, "checks", candidate_id=candidate.id)
    found = next((row["details"] for row in rows if row["kind"] == "battery"), None)
    if not found or "reference" not in found:
        return None
    return SolutionPay(sum(found["solution"]["channels"].values()), found["shaping"]["success_pay"])


def check_figures(details: Mapping[str, Mapping[str, Any]], difficulty: float | None) -> list[str]:
    """Return what the checks measured of a reward before training, a sentence each.

    Args:
        details: Details of the verdicts by kind of check.
        difficulty: The predicted difficulty, if it is known.
    """
    figures = []
    shaping = details.get("battery", {}).get("shaping")
    if shaping:
        figures.append(
            f"a solved episode has guidance of {shaping['guidance']:.3g} in all before its last step, and the last "
            f"step pays {shaping['success_pay']:.3g}; the largest guidance of an episode without success is "
            f"{shaping['exploited']:.3g}"
        )
    if difficulty is not None:
        figures.append(f"the predicted difficulty of learning is {difficulty:.3g}; smaller is easier, 0 is easiest")
    leads = details.get("direction", {}).get("leads_on")
    if leads is not None:
        figures.append(
            f"on {100 * leads:.0f} % of the steps of shortest solutions, only actions that lead on are paid best"
        )
    return figures


def difficulty_in(details: Mapping[str, Mapping[str, Any]]) -> float | None:
    """Return the predicted difficulty from the details of the verdicts; None if no check predicted one."""
    found = (details.get(kind, {}).get("difficulty") for kind in ("certificate", "battery"))
    return next((float(value) for value in found if value is not None), None)


def where_episodes_stop(telemetry: Telemetry, planner: bool) -> str | None:
    """Return which milestones episodes reach, as text; None if no milestone is known.

    Args:
        telemetry: The telemetry of a trial at the end of a rung.
        planner: Whether to name the milestones of the planner's solutions. Otherwise they are the components of the
            program that pay rarely.
    """
    seen = telemetry.trajectories
    if planner and seen.milestones and seen.episodes:
        reached = ", ".join(f"{name} in {count}" for name, count in seen.milestones.items())
        won = seen.episodes - seen.failed
        return f"Of {seen.episodes} recorded episodes of the final policy: {reached}, success in {won}."
    rare = {name: c.paid_episodes for name, c in telemetry.components.items() if c.is_milestone and c.paid_episodes}
    if not rare or not telemetry.episodes:
        return None
    silent = [name for name, c in telemetry.components.items() if c.is_milestone and not c.paid_episodes]
    ordered = [*sorted(rare.items(), key=lambda pair: -(pair[1] or 0.0)), *((name, 0.0) for name in silent)]
    shares = ", ".join(f"{name} in {100 * (share or 0.0):.3g} %" for name, share in ordered)
    won = f"; {100 * telemetry.success_rate:.3g} % succeeded" if telemetry.score is None else ""
    return f"Late in training, the components that pay rarely paid in this share of the episodes: {shares}{won}."

"""The parts of prompts that show a candidate and its training. They are the same in every run of a job."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from rewardsmith.storage import records
from rewardsmith.storage.reads import fetch
from rewardsmith.storage.records import Candidate, Trial
from rewardsmith.storage.scored import score_at
from rewardsmith.telemetry import at_point
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

"""The steps that `decide` returns: rows to add or to change. Applying a step twice changes nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from rewardsmith.storage.queue import ItemKey
from rewardsmith.storage.records import Candidate


@dataclass(frozen=True)
class AddItem:
    """Queue a work item under its key."""

    key: ItemKey
    payload: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class SetIteration:
    """Open or close a round."""

    number: int
    state: str
    summary: str | None = None


@dataclass(frozen=True)
class SetCandidate:
    """Change columns of a candidate."""

    id: str
    values: dict[str, Any]


@dataclass(frozen=True)
class SetBest:
    """Store the job's best candidate so far."""

    candidate: str


@dataclass(frozen=True)
class FinishJob:
    """End the job with a state and a note."""

    state: str
    note: str


Step = AddItem | SetIteration | SetCandidate | SetBest | FinishJob


def reject(c: Candidate, reason: str, score: float | None = None) -> SetCandidate:
    """Reject a candidate with a reason; `score` is its success rate so far, if known."""
    values: dict[str, Any] = {"state": "rejected", "rejection_reason": reason}
    return SetCandidate(c.id, values if score is None else {**values, "score": score})

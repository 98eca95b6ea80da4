"""What a decision about a job consists of: rows to add or to change, all of them idempotent."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from rewardsmith.storage.queue import ItemKey
from rewardsmith.storage.records import Candidate


@dataclass(frozen=True)
class AddItem:
    """Queue a work item."""

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
    """Change what is known of a candidate."""

    id: str
    values: dict[str, Any]


@dataclass(frozen=True)
class SetBest:
    """The job's best candidate so far."""

    candidate: str


@dataclass(frozen=True)
class FinishJob:
    """The job has come to its end."""

    state: str
    note: str


Step = AddItem | SetIteration | SetCandidate | SetBest | FinishJob


def death(c: Candidate, cause: str, score: float | None = None) -> SetCandidate:
    """A candidate is given up, and why."""
    values: dict[str, Any] = {"state": "dead", "cause_of_death": cause}
    return SetCandidate(c.id, values if score is None else {**values, "score": score})

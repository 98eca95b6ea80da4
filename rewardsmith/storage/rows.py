"""Stored jobs, candidates, trials and work items: one class per table, with a field per column."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

OPEN = ("queued", "leased", "waiting")
"""States of an unfinished work item."""


@dataclass(frozen=True)
class Job:
    """A job: a request and its state. docs/database.md describes the columns."""

    id: str
    task: str
    method: str
    fingerprint: str
    spec: dict[str, Any]
    state: str  # running | paused | done | failed | cancelled
    note: str | None
    best_candidate: str | None
    oracle_informed: bool
    created_at: datetime
    finished_at: datetime | None
    active_seconds: float
    owner: str  # name of the user who submitted it
    service: bool  # processed by the service's workers, not by a local executor
    priority: int
    slots: int | None
    charged_at: datetime | None
    claim: dict[str, Any] | None  # reporting.statistics.summarise of the final evaluation, when the job ended


@dataclass(frozen=True)
class Scheduling:
    """The owner of a job, and the rules by which its items are claimed.

    Attributes:
        owner: Name of the user who submitted it.
        service: Whether the service's workers process it, instead of a local executor.
        priority: Jobs with a higher number go first.
        slots: Most of its items at once; None = no limit.
    """

    owner: str = ""
    service: bool = False
    priority: int = 0
    slots: int | None = None


@dataclass(frozen=True)
class Candidate:
    """One reward program in one round of a job. docs/database.md describes the columns."""

    id: str
    job_id: str
    iteration: int
    kind: str  # baseline | designed | seeded | forked
    move: str  # baseline | new | revise | combine | repair | fork
    sample: int
    parents: list[str]
    source: str
    source_hash: str
    thoughts: str | None
    reward: dict[str, Any]  # TrainingReward.stored; meaningless for an unreadable answer
    state: str  # designed | passed | trained | rejected | vetoed
    rejection_reason: str | None
    score: float | None
    oracle_informed: bool
    created_at: datetime
    adjustment: dict[str, Any] | None = None  # its second training with other settings, see engine.search.retraining

    @property
    def retrained_from(self) -> int | None:
        """The rung from which the trials of its second training count for it; None if those of the first count."""
        adjustment = self.adjustment or {}
        return int(adjustment["rung"]) if adjustment.get("stands") else None

    @property
    def retrains(self) -> bool:
        """Whether its second training with other settings is not finished yet."""
        return self.adjustment is not None and "stands" not in self.adjustment

    @property
    def search_purpose(self) -> str:
        """The purpose of the search's trials that count for it: "search" or "retrain"."""
        return "search" if self.retrained_from is None else "retrain"

    @property
    def training_changes(self) -> dict[str, Any]:
        """Training settings of the trials that count for it, where they differ from the job's."""
        return {} if self.retrained_from is None else dict((self.adjustment or {}).get("training", {}))


@dataclass(frozen=True)
class Trial:
    """One training run of a candidate on a seed, in the search or the final evaluation."""

    id: int
    job_id: str
    candidate_id: str
    purpose: str
    seed: int
    state: str
    steps: int
    success: float | None
    success_low: float | None
    success_high: float | None
    greedy_success: float | None
    episodes: int | None
    unseen: bool | None
    telemetry: dict[str, Any] | None
    sandbox_level: str | None
    steps_per_second: float | None
    seconds: float | None
    failure: str | None
    settings: dict[str, Any] | None = None  # "training" and "weights" that differ from the job's

    @property
    def training_changes(self) -> dict[str, Any]:
        """Training settings of this trial that differ from the job's."""
        return dict((self.settings or {}).get("training", {}))


@dataclass(frozen=True)
class Iteration:
    """One round of a job."""

    job_id: str
    number: int
    state: str
    summary: str | None


@dataclass(frozen=True)
class ItemKey:
    """The unique key of a work item; parts that do not apply have their default."""

    job_id: str
    kind: str
    iteration: int = 0
    candidate: str = ""
    seed: int = -1
    rung: int = -1
    sample: int = -1


@dataclass(frozen=True)
class Item:
    """A work item as it was claimed or read."""

    id: int
    key: ItemKey
    state: str
    attempt: int
    owner: str | None
    payload: dict[str, Any]
    result: dict[str, Any] | None
    error: str | None


def item_of(row: Mapping[Any, Any]) -> Item:
    """Return a row of work_items as an Item."""
    key = ItemKey(**{name: row[name] for name in ItemKey.__dataclass_fields__})
    return Item(
        row["id"], key, row["state"], row["attempt"], row["owner"], row["payload"] or {}, row["result"], row["error"]
    )

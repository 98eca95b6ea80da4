"""Jobs, candidates, trials and work items as they are stored: one class per table, whose fields are its columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

OPEN = ("queued", "leased", "waiting")
"""States of a work item that is not at its end."""


@dataclass(frozen=True)
class Job:
    """One request and where it stands."""

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
    owner: str  # who asked
    service: bool  # worked on by the workers of many hosts, not by a local executor
    priority: int
    slots: int | None
    charged_at: datetime | None
    claim: dict[str, Any] | None  # reporting.statistics.summarise of the confirmed arms, when the job ended


@dataclass(frozen=True)
class Scheduling:
    """Who asked for a job, and by which rules its items are claimed.

    service: by the workers of many hosts. priority: higher first. slots: most of its items at once, None = no limit.
    """

    owner: str = ""
    service: bool = False
    priority: int = 0
    slots: int | None = None


@dataclass(frozen=True)
class Candidate:
    """One program in one iteration."""

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
    reward: dict[str, Any]  # TrainingReward.stored, without meaning for unreadable answers
    state: str  # designed | passed | trained | dead | vetoed
    cause_of_death: str | None
    score: float | None
    oracle_informed: bool
    created_at: datetime
    adjustment: dict[str, Any] | None = None  # settings that it is trained with once more, see engine.search.retraining

    @property
    def retrained_from(self) -> int | None:
        """The first rung at which trials with other settings stand for it; None where those with the job's own do."""
        adjustment = self.adjustment or {}
        return int(adjustment["rung"]) if adjustment.get("stands") else None

    @property
    def retrains(self) -> bool:
        """Whether it is trained with other settings now, and nothing is decided of these yet."""
        return self.adjustment is not None and "stands" not in self.adjustment

    @property
    def search_purpose(self) -> str:
        """The purpose of the search's trials that stand for it."""
        return "search" if self.retrained_from is None else "retrain"

    @property
    def training_changes(self) -> dict[str, Any]:
        """Training settings that it stands by, where they differ from the job's."""
        return {} if self.retrained_from is None else dict((self.adjustment or {}).get("training", {}))


@dataclass(frozen=True)
class Trial:
    """One training run: candidate x seed, in the search or for the claim."""

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
        """Training settings that it was trained with, where they differ from the job's."""
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
    """What a work item is about; unique. Sentinels where a part does not apply."""

    job_id: str
    kind: str
    iteration: int = 0
    candidate: str = ""
    seed: int = -1
    rung: int = -1
    sample: int = -1


@dataclass(frozen=True)
class Item:
    """A claimed (or read) work item."""

    id: int
    key: ItemKey
    state: str
    attempt: int
    owner: str | None
    payload: dict[str, Any]
    result: dict[str, Any] | None
    error: str | None


def item_of(row: Mapping[Any, Any]) -> Item:
    """A row of work_items as an Item."""
    key = ItemKey(**{name: row[name] for name in ItemKey.__dataclass_fields__})
    return Item(
        row["id"], key, row["state"], row["attempt"], row["owner"], row["payload"] or {}, row["result"], row["error"]
    )

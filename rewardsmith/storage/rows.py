"""Typed reads of jobs, candidates, trials and work items, through SQLAlchemy or, for commands, a `Reader`.

Nothing heavy is imported here: importing SQLAlchemy takes longer than everything that `ls` or `show` has to do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from rewardsmith.storage.reader import Reader

    Readable = Connection | Reader

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


def fetch(
    connection: Readable,
    table: str,
    *,
    columns: Sequence[str] = (),
    order: Sequence[str] = (),
    prefix: tuple[str, str] | None = None,
    limit: int | None = None,
    **equal: Any,
) -> list[dict[str, Any]]:
    """Rows of a table or view as dicts: those whose columns `equal` the given values, None meaning any.

    order: columns, "-" before one for descending. prefix: (column, text that its value begins with).
    """
    wanted = {name: value for name, value in equal.items() if value is not None}
    from rewardsmith.storage.reader import Reader

    if isinstance(connection, Reader):
        return connection.fetch(table, columns, order, prefix, limit, wanted)
    from rewardsmith.storage.schema import select_rows

    return [
        dict(row) for row in connection.execute(select_rows(table, columns, order, prefix, limit, wanted)).mappings()
    ]


def get_job(connection: Readable, job_id: str) -> Job:
    """The job called exactly `job_id`. Raises KeyError."""
    return Job(**_one(fetch(connection, "jobs", id=job_id), job_id))


def get_candidate(connection: Readable, candidate_id: str) -> Candidate:
    """The candidate called exactly `candidate_id`. Raises KeyError."""
    return Candidate(**_one(fetch(connection, "candidates", id=candidate_id), candidate_id))


def candidates_of(connection: Readable, job_id: str) -> list[Candidate]:
    """All candidates of a job, in the order they were designed."""
    return [Candidate(**row) for row in fetch(connection, "candidates", order=("iteration", "id"), job_id=job_id)]


def iterations_of(connection: Readable, job_id: str) -> list[Iteration]:
    """The rounds of a job, in order."""
    return [Iteration(**row) for row in fetch(connection, "iterations", order=("number",), job_id=job_id)]


def trials_of(connection: Readable, *, job_id: str | None = None, candidate_id: str | None = None) -> list[Trial]:
    """The trials of a job or of a candidate, in order of their seeds."""
    order = ("candidate_id", "purpose", "seed")
    return [Trial(**row) for row in fetch(connection, "trials", order=order, job_id=job_id, candidate_id=candidate_id)]


def curve_of(connection: Readable, trial_id: int) -> list[Mapping[str, Any]]:
    """The points of a trial's curve, by steps."""
    return [*fetch(connection, "curve_points", order=("steps",), trial_id=trial_id)]


def items_of(connection: Readable, job_id: str) -> list[Item]:
    """The work items of a job in the order they were added: all but trials' questions."""
    found = fetch(connection, "work_items", order=("id",), job_id=job_id)
    return [item_of(row) for row in found if row["kind"] != "ask"]


def item_of(row: Any) -> Item:
    """A row of work_items as an Item."""
    key = ItemKey(**{name: row[name] for name in ItemKey.__dataclass_fields__})
    return Item(
        row["id"], key, row["state"], row["attempt"], row["owner"], row["payload"] or {}, row["result"], row["error"]
    )


def _one(rows: list[dict[str, Any]], name: str) -> dict[str, Any]:
    if len(rows) != 1:
        raise KeyError(name)
    return rows[0]

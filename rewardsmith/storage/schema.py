"""The tables, in SQLAlchemy Core: the ORM takes 0.3 s to import, which reading commands cannot afford.

docs/database.md describes the columns that users may rely on.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    DateTime,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    false,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class Utc(TypeDecorator[datetime]):
    """A column of aware datetimes, which are read back in UTC on databases with and without time zones."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> datetime | None:
        """Convert an aware datetime to naive UTC."""
        return None if value is None else value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Any) -> datetime | None:
        """Convert naive UTC to an aware datetime."""
        return None if value is None else value.replace(tzinfo=UTC)


def _job() -> Column[str]:
    return Column("job_id", String(16), ForeignKey("jobs.id"), nullable=False)


def _candidate() -> Column[str]:
    return Column("candidate_id", String(32), ForeignKey("candidates.id"), nullable=False)


jobs = Table(
    "jobs",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("task", String(200), nullable=False),
    Column("method", String(40), nullable=False),
    Column("fingerprint", String(64), nullable=False, index=True),
    Column("spec", JSON, nullable=False),
    Column("state", String(12), nullable=False),  # running | paused | done | failed | cancelled
    Column("note", Text),  # why it ended, in words
    Column("best_candidate", String(32)),
    Column("oracle_informed", Boolean, nullable=False, default=False),
    Column("created_at", Utc, nullable=False),
    Column("finished_at", Utc),
    Column("active_seconds", Float, nullable=False, default=0.0),
    Column("owner", String(80), nullable=False, server_default=""),  # name of the user who submitted it
    Column("service", Boolean, nullable=False, server_default=false()),  # processed by the service's workers
    Column("priority", Integer, nullable=False, server_default="0"),  # higher first, then the older
    Column("slots", Integer),  # most of its items at once; null = no limit
    Column("charged_at", Utc),  # until when the run time is counted
    Column("claim", JSON),  # summary of the final evaluation, computed when the job ended
    Index("ix_jobs_state_service", "state", "service"),
    Index("ix_jobs_created_at", "created_at"),
)

iterations = Table(
    "iterations",
    metadata,
    Column("job_id", String(16), ForeignKey("jobs.id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("state", String(12), nullable=False),  # running | done
    Column("summary", Text),
)

candidates = Table(
    "candidates",
    metadata,
    Column("id", String(32), primary_key=True),
    _job(),
    Column("iteration", Integer, nullable=False),
    Column("kind", String(12), nullable=False),  # baseline | designed | seeded | forked
    Column("move", String(12), nullable=False),  # new | revise | combine | repair | fork | baseline
    Column("sample", Integer, nullable=False),
    Column("parents", JSON, nullable=False),
    Column("source", Text, nullable=False),
    Column("source_hash", String(64), nullable=False),
    Column("thoughts", Text),
    Column("reward", JSON, nullable=False),  # functions and channels; the program is `source`
    Column("state", String(12), nullable=False),  # designed | passed | trained | rejected | vetoed
    Column("rejection_reason", Text),
    Column("score", Float),  # success of its last rung, mean over search seeds
    Column("oracle_informed", Boolean, nullable=False, default=False),
    Column("created_at", Utc, nullable=False),
    Column("adjustment", JSON),  # its second training with other settings, see engine/search/retraining.py
    Index("ix_candidates_job_id_iteration", "job_id", "iteration"),
)

checks = Table(
    "checks",
    metadata,
    Column("id", Integer, primary_key=True),
    _candidate(),
    # gate, contract, determinism, cost, battery, certificate, novelty, critic, recheck (with other weights)
    Column("kind", String(16), nullable=False),
    Column("passed", Boolean, nullable=False),
    Column("message", Text, nullable=False),
    Column("details", JSON),
    UniqueConstraint("candidate_id", "kind"),
)

work_items = Table(
    "work_items",
    metadata,
    Column("id", Integer, primary_key=True),
    _job(),
    Column("iteration", Integer, nullable=False, default=0),
    Column("kind", String(12), nullable=False),  # baseline | design | check | recheck | train | analyse | confirm | ask
    # Sentinels instead of NULL: NULLs never conflict in a unique constraint.
    Column("candidate", String(32), nullable=False, default=""),
    Column("seed", Integer, nullable=False, default=-1),
    Column("rung", Integer, nullable=False, default=-1),
    Column("sample", Integer, nullable=False, default=-1),
    Column("state", String(12), nullable=False),  # queued|leased|done|failed|lost|cancelled|waiting
    Column("attempt", Integer, nullable=False, default=0),
    Column("owner", String(120)),
    Column("lease_expires", Utc),
    Column("payload", JSON),
    Column("result", JSON),
    Column("error", Text),
    Column("created_at", Utc, nullable=False),
    Column("started_at", Utc),
    Column("finished_at", Utc),
    Column("notified_at", Utc),  # time of the last notification
    UniqueConstraint("job_id", "iteration", "kind", "candidate", "seed", "rung", "sample"),
    Index("ix_work_items_state_id", "state", "id"),
    Index("ix_work_items_finished_at", "finished_at"),
)

trials = Table(
    "trials",
    metadata,
    Column("id", Integer, primary_key=True),
    _job(),
    _candidate(),
    Column("purpose", String(12), nullable=False),  # search | retrain (with other settings) | confirm
    Column("seed", Integer, nullable=False),
    Column("state", String(12), nullable=False),  # running | stopped (at a rung, or with its job) | done | failed
    Column("steps", Integer, nullable=False, default=0),  # environment steps done
    Column("success", Float),  # final weights, stochastic policy, unseen layouts
    Column("success_low", Float),
    Column("success_high", Float),
    Column("greedy_success", Float),
    Column("episodes", Integer),
    Column("unseen", Boolean),
    Column("telemetry", JSON),  # per-channel and per-component statistics of the last rung
    Column("sandbox_level", String(12)),
    Column("steps_per_second", Float),
    Column("seconds", Float),
    Column("failure", Text),
    Column("settings", JSON),  # "training" and "weights" that differ from the job's
    UniqueConstraint("candidate_id", "purpose", "seed"),
    Index("ix_trials_job_id", "job_id"),
)

curve_points = Table(
    "curve_points",
    metadata,
    Column("trial_id", Integer, ForeignKey("trials.id"), primary_key=True),
    Column("steps", Integer, primary_key=True),
    Column("success", Float),  # 200 episodes on unseen layouts, stochastic policy
    Column("episodes", Integer),
    Column("shaped_return", Float),  # mean per training episode since the last point
    Column("env_return", Float),
    Column("components", JSON),
)

llm_calls = Table(
    "llm_calls",
    metadata,
    Column("id", Integer, primary_key=True),
    _job(),
    Column("iteration", Integer, nullable=False),
    Column("candidate", String(32), nullable=False, default=""),
    Column("role", String(12), nullable=False),
    Column("sample", Integer, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("model", String(200), nullable=False),
    Column("outcome", String(12), nullable=False),
    Column("prompt_hash", String(64), nullable=False),
    Column("prompt", Text, nullable=False),
    Column("answer", Text),
    Column("prompt_tokens", Integer),
    Column("completion_tokens", Integer),
    Column("price_usd", Float),  # null = unknown
    Column("latency_s", Float),
    # A failed call is made again under the next number; an answered call is not made again.
    Column("repeat", Integer, nullable=False, server_default="0"),
    Column("attempts", Integer, nullable=False, server_default="0"),  # requests sent
    # Charged to the budget: the settled cost, and the upper bound reserved while the call is under way.
    Column("charged_calls", Integer, nullable=False, server_default="0"),
    Column("charged_tokens", Integer, nullable=False, server_default="0"),
    Column("charged_usd", Float),  # null = unknown
    Column("reserved_calls", Integer, nullable=False, server_default="0"),
    Column("reserved_tokens", Integer, nullable=False, server_default="0"),
    Column("reserved_usd", Float),
    Column("prompt_estimate", Integer),  # tokens of the prompt, estimated before the call
    Column("owner", String(120)),  # process that makes the call
    Column("fingerprint", String(200)),  # the provider's, of the model and its settings
    Column("cached_tokens", Integer),  # of prompt_tokens
    Column("note", Text),  # why it failed, and which parts its prompt omits
    Column("created_at", Utc, nullable=False),
    UniqueConstraint(
        "job_id", "iteration", "role", "candidate", "sample", "attempt", "repeat", name="uq_llm_calls_call"
    ),
)

comments = Table(
    "comments",
    metadata,
    Column("id", Integer, primary_key=True),
    _job(),
    Column("iteration", Integer, nullable=False),  # the first round whose prompts carry it
    Column("text", Text, nullable=False),
    Column("created_at", Utc, nullable=False),
)

analyses = Table(
    "analyses",
    metadata,
    Column("id", Integer, primary_key=True),
    _candidate(),
    Column("labels", JSON, nullable=False),  # diagnosis: label -> evidence
    Column("text", Text),  # the analyzer's words
    Column("suggestion", Text),
    Column("prediction", Text),
    Column("episodes", Text),  # failed episodes in words
    UniqueConstraint("candidate_id"),
)

artifacts = Table(
    "artifacts",
    metadata,
    Column("id", Integer, primary_key=True),
    _job(),
    Column("trial_id", Integer, ForeignKey("trials.id")),
    Column("kind", String(20), nullable=False),  # checkpoint | policy | trajectories
    Column("path", Text, nullable=False),  # key in the artifact store; a local path if sha256 is null
    Column("sha256", String(64)),
    Column("created_at", Utc, nullable=False),
    UniqueConstraint("trial_id", "kind"),
)

events = Table(
    "events",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", Utc, nullable=False),
    Column("kind", String(24), nullable=False),  # submitted | paused | requeued | lost | worker up | ...
    Column("job_id", String(16)),
    Column("item_id", Integer),
    Column("owner", String(120)),
    Column("text", Text),
    Index("ix_events_job_id_id", "job_id", "id"),
)

workers = Table(
    "workers",
    metadata,
    Column("name", String(120), primary_key=True),
    Column("host", String(80), nullable=False),
    Column("queues", String(80), nullable=False),
    Column("slots", Integer, nullable=False),
    Column("version", String(40), nullable=False),
    Column("devices", String(80), nullable=False),
    Column("sandbox_level", String(12), nullable=False),
    Column("started_at", Utc, nullable=False),
    Column("seen_at", Utc, nullable=False),
    Column("capabilities", JSON),  # algorithms, extras, tasks and devices; null for a scheduler
)


def now() -> datetime:
    """Return the current time, aware, in UTC."""
    return datetime.now(UTC)

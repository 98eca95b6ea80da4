"""Reads pages of rows: each query returns at most one page, whatever the size of the job.

Pages are found by the key of the last row that was shown (keyset paging), so that a later page takes no longer than
the first.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, func, or_, select, true

from rewardsmith.reporting.overview import SEARCHING, Row, row_of
from rewardsmith.storage.rows import Candidate, Item, Job, Trial, item_of
from rewardsmith.storage.schema import candidates, checks, comments, curve_points, jobs, llm_calls, trials, work_items

PAGE = 50
"""Rows of one page."""

NODES = 150
"""Candidates of one drawing of the lineage."""


@dataclass(frozen=True)
class Page:
    """Some rows of a longer list.

    Attributes:
        rows: The rows.
        after: The key from which the next page goes on; None on the last page.
    """

    rows: Sequence[Any]
    after: str | None = None


def page_of_jobs(connection: Connection, after: str = "", state: str = "", task: str = "") -> Page:
    """Return jobs, newest first, of one state and task if these are given."""
    query = select(jobs).order_by(jobs.c.created_at.desc(), jobs.c.id).limit(PAGE + 1)
    if state:
        query = query.where(jobs.c.state == state)
    if task:
        query = query.where(jobs.c.task == task)
    if after:
        last = connection.execute(select(jobs.c.created_at).where(jobs.c.id == after)).scalar()
        if last is not None:
            later = and_(jobs.c.created_at == last, jobs.c.id > after)
            query = query.where(or_(jobs.c.created_at < last, later))
    found = [Job(**row) for row in connection.execute(query).mappings()]
    return _page(found, [job.id for job in found])


def page_of_candidates(connection: Connection, job: Job, after: str = "", order: str = "design") -> Page:
    """Return the lines of a job's candidates: in the order of their design, or the best ones first ("score")."""
    mine = candidates.c.job_id == job.id
    descending = order == "score" and (job.spec.get("score") or {}).get("direction") != "minimize"
    if order == "score":
        by_score = candidates.c.score.desc() if descending else candidates.c.score
        query = select(candidates.c.id, candidates.c.score).where(mine, candidates.c.score.is_not(None))
        query = query.order_by(by_score, candidates.c.id)
    else:
        query = select(candidates.c.id, candidates.c.iteration).where(mine)
        query = query.order_by(candidates.c.iteration, candidates.c.id)
    if after:
        query = query.where(_beyond(connection, after, order, descending=descending))
    names = list(connection.execute(query.limit(PAGE + 1)).scalars())
    rows = rows_of(connection, job, names[:PAGE])
    return Page(rows, names[PAGE - 1] if len(names) > PAGE else None)


def _beyond(connection: Connection, after: str, order: str, *, descending: bool) -> Any:
    column = candidates.c.score if order == "score" else candidates.c.iteration
    last = connection.execute(select(column).where(candidates.c.id == after)).scalar()
    if last is None:
        return true()  # no such candidate, or one that is not in this list: begin at the start
    further = column < last if descending else column > last
    return or_(further, and_(column == last, candidates.c.id > after))


def rows_of(connection: Connection, job: Job, names: Sequence[str]) -> list[Row]:
    """Return the lines of the named candidates of a job, in this order."""
    found = candidates_named(connection, names)
    mine: dict[str, list[Item]] = {name: [] for name in names}
    rounds = sorted({c.iteration for c in found.values()})
    # All columns of the unique index are given, so that a large round is not scanned.
    query = select(work_items).where(
        work_items.c.job_id == job.id,
        work_items.c.iteration.in_(rounds),
        work_items.c.kind.in_(SEARCHING),
        work_items.c.candidate.in_(names),
    )
    for row in connection.execute(query.order_by(work_items.c.id)).mappings():
        mine[row["candidate"]].append(item_of(row))
    trained: dict[str, list[Trial]] = {name: [] for name in names}
    of_them = select(trials).where(trials.c.candidate_id.in_(names)).order_by(trials.c.purpose, trials.c.seed)
    for row in connection.execute(of_them).mappings():
        trained[row["candidate_id"]].append(Trial(**row))
    return [row_of(connection, job, found[n], mine[n], trained[n], _predicted(n, mine[n])) for n in names if n in found]


def _predicted(name: str, items: Sequence[Item]) -> dict[str, tuple[float, int]]:
    """Return the predicted difficulty; its rank needs the whole round, and 0 stands for it."""
    results = [i.result or {} for i in items if i.key.kind == "check" and i.state == "done"]
    value = next((r["difficulty"] for r in results if r.get("difficulty") is not None), None)
    return {} if value is None else {name: (value, 0)}


def candidates_named(connection: Connection, names: Sequence[str]) -> dict[str, Candidate]:
    """Return the candidates with these ids, by id."""
    query = select(candidates).where(candidates.c.id.in_(names))
    return {row["id"]: Candidate(**row) for row in connection.execute(query).mappings()}


_LINEAGE = (
    candidates.c.id, candidates.c.iteration, candidates.c.parents, candidates.c.move, candidates.c.state,
    candidates.c.score, candidates.c.rejection_reason,
)  # fmt: skip


def lineage_page(connection: Connection, job_id: str, first: int = 0) -> tuple[Sequence[Mapping[str, Any]], int | None]:
    """Return candidates for a drawing from round `first` on, and the round from which the next drawing goes on."""
    query = select(*_LINEAGE).where(candidates.c.job_id == job_id, candidates.c.iteration >= first)
    query = query.order_by(candidates.c.iteration, candidates.c.id).limit(NODES + 1)
    rows = [dict(row) for row in connection.execute(query).mappings()]
    if len(rows) <= NODES:
        return rows, None
    last = rows[-1]["iteration"]
    # Whole rounds, unless one round alone fills the drawing.
    whole = [row for row in rows if row["iteration"] < last]
    return (whole, last) if whole else (rows[:NODES], last + 1)


_CALL = (
    llm_calls.c.id, llm_calls.c.iteration, llm_calls.c.candidate, llm_calls.c.role, llm_calls.c.model,
    llm_calls.c.outcome, llm_calls.c.prompt_tokens, llm_calls.c.completion_tokens, llm_calls.c.price_usd,
    llm_calls.c.latency_s, llm_calls.c.attempt, llm_calls.c.repeat,
)  # fmt: skip


def page_of_calls(connection: Connection, job_id: str, after: int = 0, candidate: str = "") -> Page:
    """Return calls of a job, or of one of its candidates, without their texts."""
    query = select(*_CALL).where(llm_calls.c.job_id == job_id, llm_calls.c.id > after)
    if candidate:
        query = query.where(llm_calls.c.candidate == candidate)
    found = [dict(row) for row in connection.execute(query.order_by(llm_calls.c.id).limit(PAGE + 1)).mappings()]
    return _page(found, [str(row["id"]) for row in found])


def call_of(connection: Connection, number: int) -> Mapping[str, Any] | None:
    """Return a call with its prompt and its answer, or None."""
    found = connection.execute(select(llm_calls).where(llm_calls.c.id == number)).mappings().one_or_none()
    return None if found is None else dict(found)


def costs_of(connection: Connection, job_id: str) -> dict[str, Any]:
    """Return what a job has cost: calls, tokens, dollars, calls of unknown price, environment steps."""
    c = llm_calls.c
    unknown = and_(c.charged_usd.is_(None), c.charged_calls > 0)
    query = select(
        func.coalesce(func.sum(c.charged_calls + c.reserved_calls), 0).label("calls"),
        func.coalesce(func.sum(c.charged_tokens + c.reserved_tokens), 0).label("tokens"),
        func.coalesce(func.sum(func.coalesce(c.charged_usd, 0) + func.coalesce(c.reserved_usd, 0)), 0).label("dollars"),
        func.count(c.id).filter(unknown).label("unpriced_calls"),
    ).where(c.job_id == job_id)
    steps = select(func.coalesce(func.sum(trials.c.steps), 0)).where(trials.c.job_id == job_id)
    return {**connection.execute(query).mappings().one(), "env_steps": connection.execute(steps).scalar_one()}


LARGE = 5_000
"""Candidates from which on the sums over a job are not made for its page, but fetched after it."""

_SHARE = 0.05


class Sums:
    """Sums over all rows of a job, kept for 20 times as long as they took: they use at most 5 % of the time.

    A page of a job of 100,000 candidates is fetched again at every change, and the sums read every row.
    """

    def __init__(self) -> None:
        self._kept: dict[str, tuple[float, dict[str, Any]]] = {}

    def of(self, connection: Connection, job_id: str) -> dict[str, Any]:
        """Return `costs` and `counts` of a job."""
        began = time.monotonic()
        until, values = self._kept.get(job_id, (0.0, {}))
        if began < until:
            return values
        values = {"costs": costs_of(connection, job_id), "counts": counts_of(connection, job_id)}
        ended = time.monotonic()
        self._kept[job_id] = (ended + (ended - began) / _SHARE, values)
        return values


def is_large(connection: Connection, job_id: str) -> bool:
    """Return whether a job has more than LARGE candidates; an index alone answers it."""
    some = select(candidates.c.job_id).where(candidates.c.job_id == job_id).limit(LARGE + 1).subquery()
    return connection.execute(select(func.count()).select_from(some)).scalar_one() > LARGE


def counts_of(connection: Connection, job_id: str) -> dict[str, int]:
    """Return the number of a job's candidates by state."""
    query = select(candidates.c.state, func.count()).where(candidates.c.job_id == job_id).group_by(candidates.c.state)
    return {row[0]: row[1] for row in connection.execute(query)}


def busy_items(connection: Connection, job_id: str | None = None, limit: int = 12) -> list[Mapping[str, Any]]:
    """Return the work items that are processed now, of one job or of all, oldest first."""
    w = work_items.c
    query = select(w.id, w.job_id, w.kind, w.candidate, w.seed, w.rung, w.owner, w.started_at, w.attempt)
    query = query.where(w.state == "leased").order_by(w.id).limit(limit)
    if job_id is not None:
        query = query.where(w.job_id == job_id)
    return [dict(row) for row in connection.execute(query).mappings()]


def checks_of(connection: Connection, candidate_id: str) -> list[Mapping[str, Any]]:
    """Return the verdicts on a candidate, in the order in which they were made."""
    query = select(checks).where(checks.c.candidate_id == candidate_id).order_by(checks.c.id)
    return [dict(row) for row in connection.execute(query).mappings()]


def comments_on(connection: Connection, job_id: str) -> list[Mapping[str, Any]]:
    """Return the comments of users on a job, the newest first."""
    query = select(comments).where(comments.c.job_id == job_id).order_by(comments.c.id.desc()).limit(PAGE)
    return [dict(row) for row in connection.execute(query).mappings()]


def points_of(connection: Connection, trial_ids: Sequence[int]) -> dict[int, list[Mapping[str, Any]]]:
    """Return the curves of trials, by trial."""
    found: dict[int, list[Mapping[str, Any]]] = {number: [] for number in trial_ids}
    query = select(curve_points).where(curve_points.c.trial_id.in_(trial_ids)).order_by(curve_points.c.steps)
    for row in connection.execute(query).mappings():
        found[row["trial_id"]].append(dict(row))
    return found


def _page(found: Sequence[Any], keys: Sequence[str]) -> Page:
    return Page(found[:PAGE], keys[PAGE - 1] if len(found) > PAGE else None)

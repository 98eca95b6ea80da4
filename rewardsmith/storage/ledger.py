"""The ledger of language-model calls: each call reserves its upper bound, then settles its actual cost.

Reserving reads the job's sums and writes the reservation in one transaction, so that all threads, processes and hosts
together stay within a limit. engine/models/limited.py reserves before each call.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any, Literal

from sqlalchemy import Connection, Engine, and_, func, insert, select, update

from rewardsmith.errors import BudgetSpent
from rewardsmith.storage.database import read
from rewardsmith.storage.queue import owner_is_dead
from rewardsmith.storage.schema import jobs, llm_calls, now

UNDER_WAY = "under way"
FORGOTTEN_AFTER = timedelta(minutes=30)
"""Twice the deadline of a call: a call that is older has no process any more."""

_UNITS = ("calls", "tokens", "usd")


@dataclass(frozen=True)
class CallKey:
    """The identity of a call within its job."""

    job_id: str
    iteration: int
    role: str
    candidate: str
    sample: int
    attempt: int


@dataclass(frozen=True)
class Amount:
    """A part of a budget: calls, tokens and dollars (usd; None = unknown)."""

    calls: int = 0
    tokens: int = 0
    usd: float | None = None


@dataclass(frozen=True)
class Limits:
    """A job's limits; None = no limit.

    Attributes:
        calls: Number of calls.
        tokens: Tokens, sent and received.
        usd: Dollars.
        at_once: Concurrent calls to one provider.
    """

    calls: int | None = None
    tokens: int | None = None
    usd: float | None = None
    at_once: int | None = None


ANSWERED = ("completed", "refused", "truncated", "empty", "tool call")
"""Outcomes of calls that received an answer, valid or not; see agents.models.Outcome."""

_ANSWERED = llm_calls.c.outcome.in_(ANSWERED)

Standing = Literal["free", "busy", "spent"]
"""Whether a call may be made: now ("free"), after others are settled ("busy"), or never ("spent")."""


def answered(connection: Connection, key: CallKey, prompt_hash: str) -> Mapping[str, Any] | None:
    """Return the row of this call if it was answered before an interruption, else None."""
    query = select(llm_calls).where(_is(key), llm_calls.c.prompt_hash == prompt_hash, _ANSWERED)
    found = connection.execute(query.order_by(llm_calls.c.repeat.desc())).mappings().first()
    return None if found is None else dict(found)  # type: ignore[arg-type]


def answered_of(connection: Connection, job_id: str) -> list[Mapping[str, Any]]:
    """Return the rows of all answered calls of a job, in the order in which they were made."""
    query = select(llm_calls).where(llm_calls.c.job_id == job_id, _ANSWERED).order_by(llm_calls.c.id)
    return [dict(row) for row in connection.execute(query).mappings()]


def standing(connection: Connection, key: CallKey, model: str, bound: Amount, limits: Limits) -> Standing:
    """Return whether a call that costs at most `bound` may be made. Raises BudgetSpent if it never may."""
    names = {"calls": limits.calls, "tokens": limits.tokens, "usd": limits.usd}
    sums = [func.coalesce(func.sum(llm_calls.c[f"{what}_{unit}"]), 0) for unit in _UNITS for what in _COLUMNS]
    row = connection.execute(select(*sums).where(llm_calls.c.job_id == key.job_id)).one()
    busy = False
    for place, unit in enumerate(_UNITS):
        limit, need = names[unit], getattr(bound, unit) or 0
        settled, reserved = row[2 * place], row[2 * place + 1]
        if limit is None:
            continue
        # Sums of floats are inexact: a bound may exceed the limit by a billionth of a dollar.
        slack = 1e-9 if unit == "usd" else 0
        if settled + need > limit + slack:
            raise _spent(unit, limit, settled, need)
        busy = busy or settled + reserved + need > limit + slack
    return "busy" if busy or _crowded(connection, model, limits.at_once) else "free"


_COLUMNS = ("charged", "reserved")


def _spent(unit: str, limit: float, settled: float, need: float) -> BudgetSpent:
    name = {"usd": "dollars"}.get(unit, unit)
    left = f"{limit - settled:.4g} are left, and the next call may need {need:.4g}"
    return BudgetSpent(f"the budget of {limit:g} {name} is spent: {left}", f"Raise --max-{name}.")


def _crowded(connection: Connection, model: str, at_once: int | None) -> bool:
    provider, slash, _ = model.partition("/")
    if at_once is None or not slash:
        return False
    same = llm_calls.c.model.startswith(f"{provider}/", autoescape=True)
    query = select(func.count()).where(llm_calls.c.reserved_calls > 0, same)
    return connection.execute(query).scalar_one() >= at_once


def reserve(
    engine: Engine, key: CallKey, model: str, bound: Amount, limits: Limits, owner: str, **prompt: Any
) -> int | None:
    """Write a call's row with its upper bound reserved.

    Args:
        engine: The database.
        key: The call.
        model: The model that is called, PROVIDER/NAME or NAME.
        bound: Upper bound of its cost.
        limits: Limits of the job.
        owner: The process that makes the call.
        **prompt: The columns prompt, prompt_hash, prompt_estimate and note.

    Returns:
        The row's id; None while other calls must be settled first.

    Raises:
        BudgetSpent: The call does not fit into the limits.
    """
    with engine.begin() as connection:
        _lock(connection, key.job_id)
        if standing(connection, key, model, bound, limits) != "free":
            return None
        before = connection.execute(select(func.max(llm_calls.c.repeat)).where(_is(key))).scalar()
        values = {**asdict(key), **prompt, "model": model, "outcome": UNDER_WAY, "owner": owner, "created_at": now()}
        values["repeat"] = 0 if before is None else before + 1
        statement = insert(llm_calls).values(**values, **_reserved(bound)).returning(llm_calls.c.id)
        return connection.execute(statement).scalar_one()


def reserve_again(engine: Engine, call: int, key: CallKey, model: str, bound: Amount, limits: Limits) -> bool:
    """Reserve the bound for another request of the same call; return False while others must be settled first."""
    with engine.begin() as connection:
        _lock(connection, key.job_id)
        if standing(connection, key, model, bound, limits) != "free":
            return False
        connection.execute(update(llm_calls).where(llm_calls.c.id == call).values(**_reserved(bound)))
        return True


def charge(engine: Engine, call: int, amount: Amount, **values: Any) -> None:
    """Settle a call's reservation at its actual cost, and write its outcome (`values`: columns)."""
    with engine.begin() as connection:
        _charge(connection, llm_calls.c.id == call, amount, values)


def forget(engine: Engine, call: int) -> None:
    """Remove the row of a call that was not made, because a user has not answered the prompt yet."""
    with engine.begin() as connection:
        connection.execute(llm_calls.delete().where(llm_calls.c.id == call))


def settle_lost(engine: Engine) -> int:
    """Settle calls whose process is gone at their upper bound, since their cost is unknown; return their number."""
    # Without the prompt, which would be read from disk for every row.
    names = ("id", "owner", "created_at", "reserved_calls", "reserved_tokens", "reserved_usd")
    open_calls = select(*(llm_calls.c[name] for name in names)).where(llm_calls.c.reserved_calls > 0)
    with read(engine) as connection:
        rows = connection.execute(open_calls).mappings().all()
    count = 0
    for row in rows:
        if now() - row["created_at"] < FORGOTTEN_AFTER and not owner_is_dead(row["owner"] or ""):
            continue
        bound = Amount(row["reserved_calls"], row["reserved_tokens"], row["reserved_usd"])
        same = and_(llm_calls.c.id == row["id"], llm_calls.c.reserved_calls > 0)
        note = "its process ended during the call; charged at its upper bound"
        with engine.begin() as connection:
            count += _charge(connection, same, bound, {"outcome": "lost", "owner": None, "note": note})
    return count


def _charge(connection: Connection, which: Any, amount: Amount, values: Mapping[str, Any]) -> int:
    usd = llm_calls.c.charged_usd
    if amount.usd is not None:
        values = {**values, "charged_usd": func.coalesce(usd, 0.0) + amount.usd}
    statement = update(llm_calls).where(which)
    return connection.execute(
        statement.values(
            charged_calls=llm_calls.c.charged_calls + amount.calls,
            charged_tokens=llm_calls.c.charged_tokens + amount.tokens,
            **_reserved(Amount()),
            **values,
        )
    ).rowcount


def _reserved(bound: Amount) -> dict[str, Any]:
    return {"reserved_calls": bound.calls, "reserved_tokens": bound.tokens, "reserved_usd": bound.usd}


def _lock(connection: Connection, job_id: str) -> None:
    # SQLite has one writer at a time and ignores the clause.
    connection.execute(select(jobs.c.id).where(jobs.c.id == job_id).with_for_update())


def _is(key: CallKey) -> Any:
    return and_(*(llm_calls.c[name] == value for name, value in asdict(key).items()))

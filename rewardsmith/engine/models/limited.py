"""Enforces a job's limits on calls, tokens and dollars: each call reserves its largest cost before it is sent.

storage/ledger.py keeps the sums. engine/search/job_budget.py decides whether a job queues more calls.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from rewardsmith.agents.models import Answer, LanguageModel, ModelAround, ModelFailed, Request, Usage, prompt_hash
from rewardsmith.agents.pricing import Bound, bound_of, estimated_tokens
from rewardsmith.engine.context import Context
from rewardsmith.errors import BudgetSpent, LostItem
from rewardsmith.spec import Budget
from rewardsmith.storage import ledger, records
from rewardsmith.storage.database import read
from rewardsmith.storage.ledger import Amount, CallKey, Limits

_LOOK = (0.02, 0.5)  # seconds between two attempts while the reservations of others use up the limit: first, longest


@dataclass(frozen=True)
class Account:
    """The account that calls are charged to.

    Attributes:
        job_id: The job.
        candidate: The candidate that the calls are made for.
        budget: The job's limits.
        owner: The process and slot that makes the calls.
    """

    job_id: str
    candidate: str
    budget: Budget
    owner: str


class LimitedModel(ModelAround):
    """A model whose calls stay within the job's limits.

    1. If the same call with the same prompt was answered before an interruption, return that answer.
    2. Reserve the largest cost of the call (its prompt and the longest answer) in the database, so that the calls of
       all threads and processes together never exceed a limit. If only the reservations of running calls prevent it,
       wait for them.
    3. Send the call.
    4. Replace the reservation by the actual cost.
    """

    def __init__(self, inner: LanguageModel, context: Context, account: Account, priced_as: str | None = None) -> None:
        super().__init__(inner)
        self._context, self._account = context, account
        self._priced_as = priced_as or inner.name

    def complete(self, request: Request) -> Answer:
        """Return the model's answer. Raises BudgetSpent, before the call is sent, if it would exceed a limit."""
        key = self._key(request)
        with read(self._context.database) as connection:
            row = ledger.answered(connection, key, prompt_hash(request.system, request.prompt))
        if row is not None:
            return answer_of(row)
        bound = bound_of(self._priced_as, request)
        call = self._reserve(request, key, bound)

        def again(maybe_billed: bool) -> None:
            if maybe_billed:
                ledger.charge(self._context.database, call, _amount(bound))
                self._wait(key, bound, lambda: ledger.reserve_again(*arguments) or None)

        limits = self._limits()
        arguments = (self._context.database, call, key, self._priced_as, _amount(bound), limits)
        try:
            answer = self.inner.complete(replace(request, again=again))
        except ModelFailed as failed:
            self._settle_failure(call, bound, failed)
            raise
        except BudgetSpent as spent:
            ledger.charge(self._context.database, call, Amount(), outcome="failed", owner=None, note=spent.cause)
            raise
        except BaseException:
            ledger.charge(self._context.database, call, _amount(bound), outcome="lost", owner=None)
            raise
        self._settle(call, bound, answer)
        return answer

    def _key(self, request: Request) -> CallKey:
        key, account = request.key, self._account
        return CallKey(account.job_id, key.iteration, key.role, account.candidate, key.sample, key.attempt)

    def _limits(self) -> Limits:
        budget = self._account.budget
        at_once = self._context.settings.calls_at_once
        return Limits(budget.calls, budget.tokens, budget.dollars, at_once)

    def _reserve(self, request: Request, key: CallKey, bound: Bound) -> int:
        arguments = (self._context.database, key, self._priced_as, _amount(bound), self._limits())
        prompt = {
            "prompt": request.prompt,
            "prompt_hash": prompt_hash(request.system, request.prompt),
            "prompt_estimate": estimated_tokens(request.system, request.prompt),
            "note": request.note,
        }
        return self._wait(key, bound, lambda: ledger.reserve(*arguments, self._account.owner, **prompt))

    def _wait(self, key: CallKey, bound: Bound, reserve: Any) -> Any:
        """Call `reserve` until it returns a value. Raises BudgetSpent, and LostItem if the job has ended."""
        pause, most = _LOOK
        limits = self._limits()
        while (done := reserve()) is None:
            while True:
                time.sleep(pause)
                pause = min(most, 1.5 * pause)
                with read(self._context.database) as connection:
                    if records.get_job(connection, key.job_id).state not in ("running", "paused"):
                        raise LostItem("The job has ended, so the call was not made.", "Nothing needs to be done.")
                    if ledger.standing(connection, key, self._priced_as, _amount(bound), limits) == "free":
                        break
        return done

    def _settle(self, call: int, bound: Bound, answer: Answer) -> None:
        usage = answer.usage
        amount = _amount(bound)
        if usage.prompt_tokens is not None:
            tokens = usage.prompt_tokens + (usage.completion_tokens or 0)
            amount = Amount(1, tokens, answer.price_usd if answer.price_usd is not None else bound.usd)
        ledger.charge(
            self._context.database,
            call,
            amount,
            model=answer.model,
            outcome=answer.outcome,
            answer=answer.text,
            prompt_tokens=usage.prompt_tokens,
            completion_tokens=usage.completion_tokens,
            price_usd=answer.price_usd,
            latency_s=answer.latency_s,
            attempts=answer.attempts,
            fingerprint=answer.fingerprint,
            cached_tokens=usage.cached_tokens,
            owner=None,
        )

    def _settle_failure(self, call: int, bound: Bound, failed: ModelFailed) -> None:
        if failed.fault == "person":
            ledger.forget(self._context.database, call)
            return
        amount = _amount(bound) if failed.maybe_billed else Amount()
        ledger.charge(
            self._context.database,
            call,
            amount,
            outcome="failed",
            attempts=failed.attempts,
            owner=None,
            note=f"{failed.fault}: {failed.cause}",
        )


def _amount(bound: Bound) -> Amount:
    return Amount(1, bound.tokens, bound.usd)


def answer_of(row: Mapping[str, Any]) -> Answer:
    """Return the answer stored in a row of the ledger."""
    usage = Usage(row["prompt_tokens"], row["completion_tokens"], row["cached_tokens"])
    return Answer(
        row["outcome"], row["answer"] or "", row["model"], usage, row["price_usd"], row["latency_s"], row["attempts"],
        row["fingerprint"],
    )  # fmt: skip

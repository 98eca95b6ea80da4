"""Limits of calls, tokens and dollars: reserved before a call, settled after it, never exceeded in total."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from running import fork_server
from sqlalchemy import text

from rewardsmith.agents.models import Answer, ModelFailed, ReplayKey, Request, Usage
from rewardsmith.agents.pricing import bound_of
from rewardsmith.config import Settings
from rewardsmith.engine.context import Context, open_context
from rewardsmith.engine.jobs import lifecycle
from rewardsmith.engine.models.limited import Account, LimitedModel
from rewardsmith.errors import BudgetSpent, UsageError
from rewardsmith.spec import Budget, JobSpec
from rewardsmith.storage import ledger, queue
from rewardsmith.storage.ledger import FORGOTTEN_AFTER

PROMPT = "x" * 236  # with the template's 64 and 100 of the answer: a bound of 400 tokens
BOUND = 400


@dataclass
class Talker:
    """A model that waits a little, uses few tokens, and records the number of concurrent calls."""

    takes: int | None = 150
    seconds: float = 0.02
    failure: BaseException | None = None
    name: str = "ollama/llama3"
    is_language_model: bool = True
    sent: int = 0
    at_once: int = 0
    most: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def complete(self, request: Request) -> Answer:
        with self.lock:
            self.sent += 1
            self.at_once += 1
            self.most = max(self.most, self.at_once)
        threading.Event().wait(self.seconds)
        with self.lock:
            self.at_once -= 1
        if self.failure is not None:
            raise self.failure
        usage = Usage() if self.takes is None else Usage(self.takes - 50, 50)
        return Answer("completed", "text", self.name, usage, None if self.takes is None else 0.0)


def request(number: int, attempt: int = 0) -> Request:
    return Request("designer", PROMPT, "", ReplayKey("designer", 1, number, attempt), max_tokens=100)


def make(folder: Path, budget: Budget, **settings) -> tuple[Context, str]:
    context = open_context(Settings(home=folder, **settings))
    return context, lifecycle.create_job(context, JobSpec(task="CartPole-v1", confirm=0, budget=budget))


def limited(context: Context, job: str, inner, budget: Budget, owner: str = "") -> LimitedModel:
    return LimitedModel(inner, context, Account(job, "", budget, owner or queue.make_owner()))


def sums(context: Context) -> dict[str, float]:
    names = ("charged_calls", "charged_tokens", "charged_usd", "reserved_calls", "reserved_tokens")
    with context.database.connect() as connection:
        chosen = ", ".join(f"COALESCE(SUM({name}), 0) AS {name}" for name in names)
        return dict(connection.execute(text(f"SELECT {chosen} FROM llm_calls")).mappings().one())


def at_once(calls: int, act) -> list:
    """Results or exceptions of `act(number)` in `count` threads that start together."""
    ended: list = [None] * calls
    gate = threading.Barrier(calls)

    def run(number: int) -> None:
        gate.wait()
        try:
            ended[number] = act(number)
        except Exception as error:
            ended[number] = error

    threads = [threading.Thread(target=run, args=(n,)) for n in range(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return ended


def test_sixty_four_calls_at_once_stay_below_a_limit_and_use_it_up(tmp_path):
    budget = Budget(tokens=3000)
    context, job = make(tmp_path, budget, calls_at_once=64)
    talker = Talker()
    highest: list[float] = []
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.005):
            now = sums(context)
            highest.append(now["charged_tokens"] + now["reserved_tokens"])

    watcher = threading.Thread(target=watch)
    watcher.start()
    ended = at_once(64, lambda n: limited(context, job, talker, budget).complete(request(n)))
    done.set()
    watcher.join()
    spent = sums(context)
    assert max(highest) <= 3000, "charged and reserved together passed the limit"
    assert spent["reserved_tokens"] == spent["reserved_calls"] == 0
    assert 3000 - BOUND < spent["charged_tokens"] <= 3000, "it must stop at most one reserved call short"
    assert talker.sent == spent["charged_tokens"] / 150
    assert talker.most > 1, "the calls did not run at once, so nothing was shown"
    refused = [e for e in ended if isinstance(e, BudgetSpent)]
    assert len(refused) == 64 - talker.sent
    assert "--max-tokens" in refused[0].remedy


def test_a_limit_of_calls_is_met_exactly(tmp_path):
    budget = Budget(calls=7)
    context, job = make(tmp_path, budget, calls_at_once=64)
    talker = Talker()
    at_once(32, lambda n: limited(context, job, talker, budget).complete(request(n)))
    assert talker.sent == 7 == sums(context)["charged_calls"]


def _spend(folder: str, job: str, first: int, out) -> None:
    budget = Budget(tokens=3000)
    context = open_context(Settings(home=Path(folder), calls_at_once=64))
    talker = Talker()
    at_once(8, lambda n: limited(context, job, talker, budget).complete(request(first + n)))
    out.put(talker.sent)


def test_several_processes_share_one_limit(tmp_path):
    context, job = make(tmp_path, Budget(tokens=3000))
    server = fork_server()
    answers = server.Queue()
    workers = [server.Process(target=_spend, args=(str(tmp_path), job, 100 * k, answers)) for k in range(3)]
    for worker in workers:
        worker.start()
    sent = sum(answers.get(timeout=90) for _ in workers)
    for worker in workers:
        worker.join()
    spent = sums(context)
    assert 3000 - BOUND < spent["charged_tokens"] <= 3000
    assert sent == spent["charged_tokens"] / 150


def test_concurrent_calls_to_one_provider_are_limited(tmp_path):
    context, job = make(tmp_path, Budget(), calls_at_once=3)
    talker = Talker(seconds=0.05)
    ended = at_once(12, lambda n: limited(context, job, talker, Budget()).complete(request(n)))
    assert all(isinstance(e, Answer) for e in ended)
    assert talker.most <= 3


def test_a_call_without_a_usage_report_is_settled_at_its_bound(tmp_path):
    context, job = make(tmp_path, Budget())
    limited(context, job, Talker(takes=None), Budget()).complete(request(0))
    assert sums(context)["charged_tokens"] == BOUND
    timeout = ModelFailed("late", "wait", "timeout", 1, maybe_billed=True)
    with pytest.raises(ModelFailed):
        limited(context, job, Talker(failure=timeout), Budget()).complete(request(1))
    assert sums(context)["charged_tokens"] == 2 * BOUND
    with pytest.raises(RuntimeError):
        limited(context, job, Talker(failure=RuntimeError("bug")), Budget()).complete(request(2))
    assert sums(context)["charged_tokens"] == 3 * BOUND


def test_a_rejected_call_costs_nothing_and_is_in_the_ledger(tmp_path):
    context, job = make(tmp_path, Budget())
    with pytest.raises(ModelFailed):
        limited(context, job, Talker(failure=ModelFailed("no key", "set it", "key", 1)), Budget()).complete(request(0))
    assert sums(context) == dict.fromkeys(sums(context), 0)
    with context.database.connect() as connection:
        row = connection.execute(text("SELECT outcome, attempts, note FROM llm_calls")).one()
    assert tuple(row) == ("failed", 1, "key: no key")


def test_a_killed_call_stays_reserved_until_settled_at_its_bound(tmp_path):
    context, job = make(tmp_path, Budget(tokens=1000))
    pid = os.fork()
    if pid == 0:
        other = open_context(Settings(home=tmp_path))
        limited(other, job, Talker(seconds=60), Budget(tokens=1000)).complete(request(0))
        os._exit(0)
    while not sums(context)["reserved_tokens"]:
        threading.Event().wait(0.05)
    assert ledger.settle_lost(context.database) == 0, "its process is alive"
    os.kill(pid, 9)
    os.waitpid(pid, 0)
    assert sums(context)["reserved_tokens"] == BOUND
    assert ledger.settle_lost(context.database) == 1
    assert ledger.settle_lost(context.database) == 0
    assert sums(context)["charged_tokens"] == BOUND and sums(context)["reserved_tokens"] == 0


def test_call_of_a_lost_machine_is_settled_after_its_deadline(tmp_path):
    context, job = make(tmp_path, Budget())
    key = ledger.CallKey(job, 1, "designer", "", 0, 0)
    amount = ledger.Amount(1, 10, 0.5)
    made = {"prompt": "p", "prompt_hash": "h"}
    ledger.reserve(context.database, key, "openai/gpt-4o", amount, ledger.Limits(), "elsewhere:1:2", **made)
    assert ledger.settle_lost(context.database) == 0
    with context.database.begin() as connection:
        past = f"datetime('now', '-{FORGOTTEN_AFTER.total_seconds() + 60:.0f} seconds')"
        connection.execute(text(f"UPDATE llm_calls SET created_at = {past}"))
    assert ledger.settle_lost(context.database) == 1
    assert sums(context)["charged_usd"] == 0.5


def test_an_answered_call_is_not_made_again_after_an_interruption(tmp_path):
    context, job = make(tmp_path, Budget())
    talker = Talker()
    for _ in range(2):
        assert limited(context, job, talker, Budget()).complete(request(0)).text == "text"
    assert talker.sent == 1 and sums(context)["charged_calls"] == 1


def test_a_repeated_request_reserves_again(tmp_path):
    class Repeats(Talker):
        def complete(self, request: Request) -> Answer:
            for _ in range(5):
                request.again(True)  # type: ignore[misc]
            return super().complete(request)

    budget = Budget(tokens=4 * BOUND)
    context, job = make(tmp_path, budget)
    with pytest.raises(BudgetSpent):
        limited(context, job, Repeats(), budget).complete(request(0))
    assert sums(context)["charged_tokens"] == 4 * BOUND and sums(context)["reserved_tokens"] == 0


def test_the_dollar_bound_covers_prompt_and_longest_answer():
    bound = bound_of("openai/gpt-4o", request(0))
    assert bound.tokens == BOUND
    assert bound.usd == pytest.approx(300 * 2.5e-6 + 100 * 1e-5)
    assert bound_of("openai/model-of-ours", request(0)).usd is None
    # A character outside ASCII can be as many tokens as it has bytes.
    assert bound_of("synth", request(0)).tokens == 0
    assert bound_of("ollama/llama3", Request("critic", "é" * 10, "", ReplayKey("critic", 1, 0))).tokens >= 20 + 4096


@pytest.mark.parametrize("field", ["model", "critic_model", "fallback_models"])
def test_a_dollar_limit_with_an_unpriced_model_is_refused(tmp_path, field):
    value = "openai/model-of-ours" if field != "fallback_models" else ("openai/model-of-ours",)
    spec = JobSpec(**{"task": "CartPole-v1", "model": "openai/gpt-4o", "budget": Budget(dollars=1.0), field: value})
    with pytest.raises(UsageError, match="price of openai/model-of-ours is unknown"):
        lifecycle.create_job(open_context(Settings(home=tmp_path)), spec)

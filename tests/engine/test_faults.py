"""Every fault of a provider x every role: the item ends in a result or a clear failure, in time, within budget."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

sys.path.insert(0, str(Path(__file__).parents[1] / "agents"))
from provider import Provider, Reply, completion, error

from rewardsmith.config import Settings
from rewardsmith.engine.context import Context, open_context
from rewardsmith.engine.items import check, dispatch
from rewardsmith.engine.jobs import lifecycle
from rewardsmith.methods import get_method
from rewardsmith.spec import Budget, JobSpec
from rewardsmith.storage import queue, records
from rewardsmith.storage.queue import Item, ItemKey
from rewardsmith.verification.checks import Checked, Verdict

KEY = "sk-planted-0c9f1d7e55aa"
LIMIT = 60_000
PROGRAM = "def reward(prev, action, state, memory):\n    return 1.0 if state.solved else 0.0\n"
GOOD = {
    "designer": f"A thought.\n```python\n{PROGRAM}```\n",
    "critic": '{"verdict": "accept", "issues": []}',
    "analyzer": '{"causes": ["none"], "suggestion": "keep it", "prediction": "no change"}',
}
BODY = completion("hello").encoded()
TOO_LONG = "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens."
FAULTS = {
    "429": error(429, "slow down"),
    "429 with a short Retry-After": error(429, "slow down", retry_after="0.1"),
    "429 with a long Retry-After": error(429, "slow down", retry_after="3600"),
    "500": error(500, f"boom with {KEY}"),
    "503": error(503, "overloaded"),
    "hang": Reply(body=BODY, delay_s=30.0),
    "slow drip": Reply(body=b" " * 4000, drip_s=0.05),
    "cut-off body": Reply(body=BODY, cut=True),
    "HTML page": Reply(body=b"<html>Bad gateway</html>", headers={"Content-Type": "text/html"}),
    "wrong JSON": Reply(body={"answer": "hello"}),
    "no JSON": Reply(body=b'{"choices": [{"mess'),
    "empty body": Reply(body=b""),
    "empty answer": completion(""),
    "refusal": completion(None, refusal="I cannot help with that."),
    "content filter": completion(None, finish_reason="content_filter"),
    "truncation": completion("def rew", finish_reason="length"),
    "no choices": Reply(body={**completion("x").body, "choices": []}),
    "401": error(401, f"Incorrect API key provided: {KEY}"),
    "402": error(402, "Insufficient balance"),
    "404": error(404, "The model does not exist", code="model_not_found"),
    "400": error(400, "bad parameter"),
    "context too long": error(400, TOO_LONG, code="context_length_exceeded"),
    "delivered twice": Reply(body=BODY + BODY),
    "connection reset": Reply(reset=True),
    "no usage report": completion("hello", tokens=None),
    "a key in the answer": completion(f"the key is {KEY}"),
}
KINDS = {"designer": "design", "critic": "check", "analyzer": "analyse"}


@pytest.fixture(scope="module", autouse=True)
def litellm_imported() -> None:
    from rewardsmith.agents.pricing import import_litellm

    import_litellm()


@pytest.fixture(scope="module")
def short_deadline_context(tmp_path_factory) -> Context:
    quick = {"call_seconds": 0.5, "call_deadline": 1.2, "call_backoff": 0.02, "max_attempts": 1}
    return open_context(Settings(home=tmp_path_factory.mktemp("faults"), **quick))


@pytest.fixture(scope="module")
def long_deadline_context(tmp_path_factory) -> Context:
    # A busy machine may take a second over an answer that is there.
    patient = {"call_seconds": 2.0, "call_deadline": 60.0, "call_backoff": 0.02, "max_attempts": 1}
    return open_context(Settings(home=tmp_path_factory.mktemp("passing"), **patient))


@pytest.fixture(autouse=True)
def passing_checks(monkeypatch) -> Iterator[None]:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    # The checks have tests of their own; here their verdict only leads to the critic.
    contract = Verdict("contract", True, "1 transition scored", {"behaviour": "b"})
    passed = Checked([contract], {}, {"transitions": 1, "episodes": 1})
    monkeypatch.setattr(check, "run_checks", lambda *_: passed)
    yield


def prepare(context: Context, role: str, url: str) -> Item:
    """A job in which the next thing to do is a call of `role`; all but the designer have a finished candidate."""
    spec = JobSpec(
        task="CartPole-v1", method="free", model="openai/gpt-4o", api_base=url, confirm=0, samples=1, iterations=1,
        planner=False, budget=Budget(tokens=LIMIT, dollars=1.0),
    )  # fmt: skip
    job = lifecycle.create_job(context, spec)
    made = f"{job}-1a"
    with context.database.begin() as connection:
        connection.execute(text("DELETE FROM work_items WHERE job_id = :job"), {"job": job})
        records.put_iteration(connection, job, 1, state="running")
        if role != "designer":
            records.put_candidate(
                connection, id=made, job_id=job, iteration=1, kind="designed", move="new", sample=0, parents=[],
                source=PROGRAM, source_hash="h", reward=get_method("free").reward(PROGRAM).stored,
                state="designed" if role == "critic" else "passed", oracle_informed=False,
            )  # fmt: skip
        if role == "analyzer":
            trial = {"state": "done", "success": 0.4, "steps": 100, "telemetry": {"failed_episodes": ["It fell."] * 2}}
            records.put_trial(connection, job, made, "search", 0, **trial)
        key = ItemKey(job, KINDS[role], 1, "" if role == "designer" else made, sample=0)
        queue.insert(connection, key, {"move": "new", "parents": []})
    claimed = queue.claim(context.database, queue.make_owner(), 60, job)
    assert claimed is not None
    return claimed


def run(context: Context, item: Item) -> dict[str, object]:
    """Run the item and return its result. Fails if that takes too long."""
    began = time.monotonic()
    dispatch.run_item(context, item.id, str(item.owner))
    dispatch.run_item(context, item.id, str(item.owner))  # delivered a second time: nothing happens
    assert time.monotonic() - began < 10
    job = item.key.job_id
    with context.database.connect() as connection:
        row = records.get_job(connection, job)
        sums = connection.execute(
            text("SELECT SUM(charged_tokens) AS tokens, SUM(reserved_calls) AS open, COUNT(*) AS rows, "
                 "SUM(CASE WHEN outcome = 'under way' THEN 1 ELSE 0 END) AS unsettled, "
                 "SUM(COALESCE(charged_usd, 0)) AS usd FROM llm_calls WHERE job_id = :job"),
            {"job": job},
        ).mappings().one()  # fmt: skip
        candidates = records.candidates_of(connection, job)
    return {"item": queue.get(context.database, item.id), "job": row, "sums": sums, "candidates": candidates}


def check_outcome(role: str, left: dict, provider: Provider) -> None:
    sums, job, item = left["sums"], left["job"], left["item"]
    assert sums["tokens"] <= LIMIT and sums["usd"] <= 1.0, "overspent"
    assert sums["open"] == 0 and sums["unsettled"] == 0, "a call was left reserved"
    assert sums["rows"] >= 1, "a call without a row"
    assert len(provider.asked) <= 12
    if item.state == "done":
        assert job.state == "running" or job.note
    else:
        assert item.state == "queued" and job.state == "paused", "neither a result nor a clear failure"
        assert len(job.note.splitlines()) == 2 and "openai/gpt-4o" in job.note
        assert KEY not in job.note
    made = [c for c in left["candidates"] if c.kind != "baseline"]
    if role != "designer":
        assert made and made[0].source == PROGRAM and made[0].state != "rejected", "a finished candidate was lost"
    elif item.state == "done":
        assert made[0].source or made[0].rejection_reason


def each_fault(faults, with_every_role) -> list:
    """Every fault with the designer; with the other roles, the faults of `with_every_role`, and the rest as slow.

    The calls of all roles go through the same code; what follows a failed call differs by role.
    """
    quick = {(fault, role) for fault in faults for role in KINDS if role == "designer" or fault in with_every_role}
    return [
        pytest.param(fault, role, marks=() if (fault, role) in quick else pytest.mark.slow, id=f"{fault}-{role}")
        for fault in faults
        for role in KINDS
    ]


@pytest.mark.parametrize(
    ("fault", "role"), each_fault(FAULTS, ("500", "hang", "wrong JSON", "empty answer", "401", "context too long"))
)
def test_a_permanent_fault_ends_in_a_result_or_a_clear_failure(
    short_deadline_context: Context, fault: str, role: str
) -> None:
    with Provider(FAULTS[fault]) as provider:
        left = run(short_deadline_context, prepare(short_deadline_context, role, provider.url))
    check_outcome(role, left, provider)


PASSING = ["429", "429 with a short Retry-After", "500", "503", "cut-off body", "HTML page", "wrong JSON", "no JSON",
           "empty body", "empty answer", "refusal", "truncation", "no choices", "delivered twice", "connection reset",
           "hang"]  # fmt: skip


@pytest.mark.parametrize(("fault", "role"), each_fault(PASSING, ("500", "empty answer")))
def test_a_temporary_fault_ends_in_the_result(long_deadline_context: Context, fault: str, role: str) -> None:
    with Provider(FAULTS[fault], completion(GOOD[role])) as provider:
        left = run(long_deadline_context, prepare(long_deadline_context, role, provider.url))
    check_outcome(role, left, provider)
    assert left["item"].state == "done"
    if role == "designer":
        assert any(c.source == PROGRAM for c in left["candidates"])


def test_a_prompt_that_is_too_long_comes_back_without_its_oldest_evidence(short_deadline_context: Context) -> None:
    with Provider(error(400, TOO_LONG, code="context_length_exceeded"), completion(GOOD["analyzer"])) as provider:
        item = prepare(short_deadline_context, "analyzer", provider.url)
        left = run(short_deadline_context, item)
        first, second = (a.body["messages"][-1]["content"] for a in provider.asked)
    assert left["item"].state == "done"
    assert first.count("It fell.") > second.count("It fell.")
    with short_deadline_context.database.connect() as connection:
        query = text("SELECT note FROM llm_calls WHERE job_id = :job ORDER BY id")
        notes = connection.execute(query, {"job": item.key.job_id}).scalars().all()
    assert "maximum context length" in notes[0] and "left out to shorten the prompt: episode 2" in notes[1]

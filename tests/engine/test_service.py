"""Submitted jobs on a real SQLite file: priorities, slots, pauses, retries, notifications, refused specs."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from rewardsmith.config import Settings
from rewardsmith.engine.context import Context, open_context
from rewardsmith.engine.items.dispatch import run_item
from rewardsmith.engine.jobs import lifecycle, service
from rewardsmith.engine.served import SERVED_SETTINGS
from rewardsmith.errors import UsageError
from rewardsmith.spec import JobSpec, read_spec, with_changes
from rewardsmith.storage import notifications, queue, records
from rewardsmith.storage.database import read
from rewardsmith.storage.events import latest_events
from rewardsmith.storage.schema import jobs as job_table
from rewardsmith.storage.schema import now, work_items

SPEC = {"task": "CartPole-v1", "method": "free", "confirm": 0, "steps": 1000}


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return open_context(Settings(home=tmp_path))


def submit(context: Context, **options) -> str:
    asked = {key: options.pop(key) for key in ("owner", "priority", "slots") if key in options}
    return service.submit_job(context, read_spec({**SPEC, **options}), **asked)


def claim(context: Context, owner: str = "me", **options) -> queue.Item | None:
    return queue.claim(context.database, owner, 60, service=True, **options)


def job_of(context: Context, job_id: str) -> records.Job:
    with read(context.database) as connection:
        return records.get_job(connection, job_id)


def test_items_are_claimed_by_priority_then_by_age(context):
    first, second, urgent = submit(context), submit(context), submit(context, priority=5)
    order = []
    while (item := claim(context)) is not None:
        order.append(item.key.job_id)
    assert list(dict.fromkeys(order)) == [urgent, first, second]
    assert order == sorted(order, key=[urgent, first, second].index)


def test_a_changed_priority_applies_to_queued_items(context):
    first, second = submit(context), submit(context)
    service.set_priority(context, second, 1)
    assert claim(context).key.job_id == second
    assert job_of(context, first).priority == 0


def test_a_job_never_holds_more_than_its_slots(context):
    limited, other = submit(context, slots=1, priority=9), submit(context)
    taken = [claim(context).key.job_id for _ in range(3)]
    assert taken.count(limited) == 1 and taken.count(other) == 2


def test_local_jobs_are_left_to_their_own_executor(context):
    lifecycle.create_job(context, read_spec(SPEC))
    assert claim(context) is None
    assert notifications.take_due(context.database, 0.0) == []


def test_a_notification_is_repeated_only_after_an_interval(context):
    job = submit(context)
    sent = notifications.take_due(context.database, 30.0)
    assert {kind for _, kind in sent} == {"baseline", "design"}
    assert notifications.take_due(context.database, 30.0) == []
    assert notifications.take_due(context.database, None) == []
    with context.database.begin() as connection:
        connection.execute(work_items.update().values(notified_at=now() - timedelta(seconds=31)))
    assert notifications.take_due(context.database, 30.0) == sent
    notifications.forget(context.database, [sent[0][0]])
    assert notifications.take_due(context.database, None, job) == sent[:1]


def test_a_requeued_item_is_notified_at_once(context):
    submit(context)
    notifications.take_due(context.database, 30.0)
    item = claim(context)
    queue.give_back(context.database, item, "gone", 3)
    assert [i for i, _ in notifications.take_due(context.database, 30.0)] == [item.id]


def test_pause_takes_trials_from_their_workers_uncounted(context):
    job = submit(context)
    item = claim(context, kinds=["baseline"])
    service.halt_job(context, job)
    assert job_of(context, job).state == "paused"
    found = queue.get(context.database, item.id)
    assert (found.state, found.attempt) == ("queued", 0)
    assert claim(context) is None
    service.resume_service_job(context, job)
    assert claim(context, kinds=["baseline"]).id == item.id


def test_retry_requeues_lost_items(context):
    job = submit(context)
    item = claim(context, kinds=["baseline"])
    assert queue.give_back(context.database, item, "out of memory", 1) == "lost"
    assert service.retry_job(context, job) == 1
    assert queue.get(context.database, item.id).state == "queued"
    with pytest.raises(UsageError, match="no lost items"):
        service.retry_job(context, job)
    with read(context.database) as connection:
        kinds = [event["kind"] for event in latest_events(connection, 10, job)]
    assert kinds == ["retried", "lost", "submitted"]


def test_time_is_charged_once_however_many_schedulers_look(context):
    job = submit(context, budget={"seconds": 100})
    service.charge_time(context)
    with context.database.begin() as connection:
        connection.execute(job_table.update().values(charged_at=now() - timedelta(seconds=5)))
    for _ in range(3):
        service.charge_time(context)
    assert 5.0 <= job_of(context, job).active_seconds < 6.0


def test_a_spent_time_limit_ends_a_submitted_job(context):
    job = submit(context, budget={"seconds": 1})
    with context.database.begin() as connection:
        connection.execute(job_table.update().values(active_seconds=2.0))
    service.charge_time(context)
    assert job_of(context, job).state == "failed"


@pytest.mark.parametrize(
    "asked",
    [
        {"task": "/etc/passwd.yaml"},
        {"task": "../task.yml"},
        {"task": "os:CartPole-v1"},
        {"api_base": "http://evil.example"},
        {"model": "replay:/etc/passwd"},
        {"model": "listed:/etc/passwd"},
        {"critic_model": "manual"},
        {"model": "manual", "designer_model": "synth", "critic_model": "synth", "analyzer_model": "synth"},
        {"model": "huggingface/https://evil.example/"},
        {"designer_model": "oobabooga/http://evil.example"},
        {"fallback_models": ["openai/gpt-4o", "azure/../x"]},
        {"analyzer_model": "openai/gpt-4o@evil.example/"},
        {"model": "baseten/abc@evil.example/y"},
        {"model": "bedrock/agentcore/arn:aws:bedrock-agentcore:x@evil.example/y:1:runtime/z"},
        {"model": "bedrock/agentcore/arn:aws:bedrock-agentcore:evil.example/y:1:runtime/z"},
        {"model": "bedrock/agentcore/ARN:arn:aws:bedrock-agentcore:evil.example:1:runtime/z"},
        {"record": "/tmp/written"},
        {"replay": "/etc/passwd"},
        {
            "task": "MiniGrid-Unlock-v0",
            "method": "ulps",
            "options": {"ulps": {"language_model": "/srv/models/own"}},
        },
    ],
    ids=str,
)
def test_a_spec_with_settings_of_the_worker_is_refused(context, tmp_path, asked):
    with pytest.raises(service.NotServed):
        submit(context, **asked)
    with read(context.database) as connection:
        assert connection.execute(job_table.select()).first() is None


@pytest.mark.parametrize(
    ("written", "told"),
    [({"api_base": "http://evil.example"}, "keys"), ({"method": "of-another-version"}, "no method")],
    ids=str,
)
def test_a_worker_validates_rows_that_other_processes_wrote(context, written, told):
    job = submit(context)
    with context.database.begin() as connection:
        spec = {**job_of(context, job).spec, **written}
        records.update_job(connection, job, spec=spec)
    item = claim(context, kinds=["design"])
    run_item(context, item.id, "me")
    found = job_of(context, job)
    assert found.state == "paused" and told in (found.note or "")


def test_every_setting_is_served_or_refused_on_purpose():
    """A new setting is refused until it is listed as safe or unsafe for submitters."""
    refused = {"api_base", "description", "prompts", "prompts_dir", "record", "replay"}
    assert set(JobSpec.model_fields) == SERVED_SETTINGS | refused and not SERVED_SETTINGS & refused


def test_a_setting_that_is_not_listed_is_refused(monkeypatch):
    monkeypatch.setattr("rewardsmith.engine.served.SERVED_SETTINGS", SERVED_SETTINGS - {"planner"})
    service.check_served(read_spec(SPEC))
    with pytest.raises(service.NotServed, match="may not set planner"):
        service.check_served(read_spec({**SPEC, "planner": False}))


@pytest.mark.parametrize(
    "name",
    [
        "openai/gpt-4o",
        "anthropic/claude-sonnet-4-5@20250929",
        "ollama/llama3.1:8b-instruct-q4_K_M",
        "bedrock/arn:aws:bedrock:us-east-1:1:inference-profile/us.anthropic.claude-3-7",
        "openrouter/meta-llama/llama-3.3-70b-instruct:free",
        "cloudflare/@cf/meta/llama-2-7b-chat-int8",
        "synth",
    ],
)
def test_models_are_served_under_the_providers_names(name):
    service.check_served(read_spec({**SPEC, "model": name}))


def test_set_writes_values_at_dotted_paths():
    changed = with_changes({"task": "a", "budget": {"calls": 1}}, ["budget.tokens=5", "rungs=[0.5, 1.0]", "task=b"])
    assert changed == {"task": "b", "budget": {"calls": 1, "tokens": 5}, "rungs": [0.5, 1.0]}
    with pytest.raises(UsageError, match="KEY=VALUE"):
        with_changes({}, ["steps"])

"""Questions of a trial: queued by its process, answered by a process with the API keys, within the job's budget."""

from __future__ import annotations

import threading
import time

import pytest

from rewardsmith.agents.models import LABELLER, VERIFIER, Answer, ReplayKey, Request, Usage
from rewardsmith.config import Settings
from rewardsmith.engine.context import Context, open_context
from rewardsmith.engine.items import train
from rewardsmith.engine.items.dispatch import run_item
from rewardsmith.engine.jobs import lifecycle
from rewardsmith.engine.models import relayed
from rewardsmith.engine.models.limited import Account, LimitedModel
from rewardsmith.engine.search.snapshot import read_snapshot
from rewardsmith.errors import BudgetSpent, LostItem
from rewardsmith.spec import Budget, JobSpec
from rewardsmith.storage import queue, records
from rewardsmith.storage.database import read


class Fake:
    """A model in place of the provider."""

    name, is_language_model = "fake/model", True

    def __init__(self) -> None:
        self.asked: list[str] = []

    def complete(self, request: Request) -> Answer:
        self.asked.append(request.prompt)
        return Answer("completed", f"heard {request.prompt}", self.name, Usage(7, 5), latency_s=0.5)


@pytest.fixture
def context(tmp_path) -> Context:
    return open_context(Settings(home=tmp_path))


@pytest.fixture
def fake_model(monkeypatch) -> Fake:
    made = Fake()

    def open_role(context, snapshot, item, role, candidate):
        account = Account(snapshot.job.id, candidate, snapshot.spec.budget, str(item.owner))
        return LimitedModel(made, context, account)

    monkeypatch.setattr(relayed, "open_role", open_role)
    return made


def trial_of(context: Context, **budget) -> queue.Item:
    """A claimed training item of a new job."""
    spec = JobSpec(
        task="MiniGrid-DoorKey-5x5-v0", method="oni", model="fake/model", confirm=0, steps=5000, budget=Budget(**budget)
    )
    job = lifecycle.create_job(context, spec)
    item = queue.claim(context.database, queue.make_owner(), 60, job, ("baseline",))
    assert item is not None
    return item


def question(number: int, prompt: str, role: str = LABELLER) -> Request:
    return Request(role, prompt, "", ReplayKey(role, 0, number), max_tokens=50)  # type: ignore[arg-type]


def ask(context: Context, trial: queue.Item, request: Request) -> tuple[threading.Thread, list]:
    """Ask from a thread, as a trial's labeller does; returns the answer or the exception."""
    model, got = relayed.RelayedModel(context, trial, "fake/model"), []

    def work() -> None:
        try:
            got.append(model.complete(request))
        except Exception as error:
            got.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread, got


def answer_next(context: Context, trial: queue.Item) -> None:
    """Answer the next question, as a call slot does."""
    owner = queue.make_owner() + ":call"
    for _ in range(500):
        item = queue.claim(context.database, owner, 60, trial.key.job_id, ("ask",))
        if item is not None:
            run_item(context, item.id, owner)
            return
        time.sleep(0.01)
    pytest.fail("no question was queued")


def test_a_question_is_answered_by_another_slot_and_charged_to_the_job(context, fake_model):
    trial = trial_of(context)
    thread, got = ask(context, trial, question(1, "a"))
    answer_next(context, trial)
    thread.join(10)
    assert got[0].text == "heard a" and got[0].usage == Usage(7, 5)
    with read(context.database) as connection:
        snapshot = read_snapshot(connection, trial.key.job_id)
    assert (snapshot.used.calls, snapshot.used.tokens) == (1, 12)
    assert not snapshot.items_of("ask")  # questions do not affect the job's decisions


def test_interrupted_question_is_asked_once(context, fake_model):
    trial = trial_of(context)
    for prompt in ("a", "a", "b"):
        thread, got = ask(context, trial, question(1, prompt))
        if not (prompt == "a" and fake_model.asked):
            answer_next(context, trial)
        thread.join(10)
        assert got[0].text == f"heard {prompt}"
    assert fake_model.asked == ["a", "b"]


def test_verifier_and_labeller_of_a_trial_get_their_own_answers(context, fake_model):
    trial = trial_of(context)
    asked = [ask(context, trial, question(1, role, role)) for role in (VERIFIER, LABELLER)]
    for _ in asked:
        answer_next(context, trial)
    for (thread, got), role in zip(asked, (VERIFIER, LABELLER), strict=True):
        thread.join(10)
        assert got[0].text == f"heard {role}"


def test_the_trial_is_notified_of_a_spent_budget(context, fake_model):
    trial = trial_of(context, calls=0)
    thread, got = ask(context, trial, question(1, "a"))
    answer_next(context, trial)
    thread.join(10)
    assert isinstance(got[0], BudgetSpent) and "0 calls" in str(got[0]) and not fake_model.asked


def test_questions_of_a_trial_that_has_ended_are_withdrawn(context, fake_model):
    trial = trial_of(context)
    thread, got = ask(context, trial, question(1, "a"))
    for _ in range(500):
        with read(context.database) as connection:
            if connection.exec_driver_sql("SELECT COUNT(*) FROM work_items WHERE kind = 'ask'").scalar():
                break
        time.sleep(0.01)
    with context.database.begin() as connection:
        queue.withdraw_questions(connection, trial)
    thread.join(10)
    assert isinstance(got[0], LostItem) and not fake_model.asked


def test_reported_steps_never_fall_after_an_older_checkpoint(context):
    item = trial_of(context)

    def recorded_steps() -> list[int]:
        with read(context.database) as connection:
            return [trial.steps for trial in records.trials_of(connection, job_id=item.key.job_id)]

    train._Rows(context, item, item.key.candidate, "search").on_rollout(5000)
    resumed = train._Rows(context, item, item.key.candidate, "search")
    resumed.on_rollout(1000)
    assert recorded_steps() == [5000]
    resumed._written = 0.0
    resumed.on_rollout(6000)
    assert recorded_steps() == [6000]

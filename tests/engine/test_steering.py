"""A user's interventions in a job: answers, comments, vetoes, own programs; and the order of fallback models."""

from __future__ import annotations

from pathlib import Path

import pytest

from rewardsmith.agents.fallback import FallbackModel
from rewardsmith.agents.models import Answer, ModelFailed, ReplayKey, Request
from rewardsmith.config import Settings
from rewardsmith.engine.context import Context, open_context
from rewardsmith.engine.items import dispatch
from rewardsmith.engine.jobs import lifecycle, steering
from rewardsmith.engine.jobs.advance import advance
from rewardsmith.engine.models.open import models_of
from rewardsmith.engine.search.rounds import choose_move
from rewardsmith.engine.search.snapshot import read_snapshot
from rewardsmith.errors import UsageError
from rewardsmith.spec import JobSpec
from rewardsmith.storage import queue, records
from rewardsmith.storage.records import Candidate
from rewardsmith.storage.schema import work_items

PROGRAM = "def reward(prev, action, state, memory):\n    return {gain} if state.solved else 0.0\n"


def start(folder: Path, **options) -> tuple[Context, str]:
    context = open_context(Settings(home=folder))
    values = {"task": "CartPole-v1", "method": "free", "model": "manual", "samples": 2, "iterations": 2, "confirm": 0}
    job = lifecycle.create_job(context, JobSpec(**{**values, **options}))
    with context.database.begin() as connection:
        queue.cancel_open(connection, job)  # the baseline's training is irrelevant here
    advance(context, job)
    return context, job


def work(context: Context, job: str, kind: str) -> int:
    """Run all queued items of a kind; returns their number."""
    count = 0
    while (item := queue.claim(context.database, "me", 60, job, [kind])) is not None:
        dispatch.run_item(context, item.id, "me")
        count += 1
    return count


def snapshot_of(context: Context, job: str):
    with context.database.connect() as connection:
        return read_snapshot(connection, job)


def trained(context: Context, job: str, success: dict[str, float]) -> None:
    """Write results for the queued trials of the named candidates."""
    while (item := queue.claim(context.database, "me", 60, job, ["train"])) is not None:
        score = success[item.key.candidate.split("-")[1]]
        with context.database.begin() as connection:
            queue.finish(connection, item, "done", {"success": score, "area": score, "train_success": score})
        advance(context, job)


def designed(context: Context, job: str, *gains: float) -> None:
    """Answer the waiting designers and mark their programs as passed."""
    work(context, job, "design")
    for question, gain in zip(steering.pending(context), gains, strict=True):
        steering.answer(context, question.id, PROGRAM.format(gain=gain))
    work(context, job, "design")
    while (item := queue.claim(context.database, "me", 60, job, ["check"])) is not None:
        with context.database.begin() as connection:
            records.update_candidate(connection, item.key.candidate, state="passed")
            queue.finish(connection, item, "done", {"passed": True})
        advance(context, job)


def test_all_prompts_of_a_round_wait_and_each_answer_is_used(tmp_path):
    context, job = start(tmp_path)
    assert work(context, job, "design") == 2
    questions = steering.pending(context)
    assert len(questions) == 2 and "Reward Designer" in Path(questions[0].prompt_file).read_text()
    assert lifecycle.pause_for_answers(context, job)
    assert "calls pending" in snapshot_of(context, job).job.note
    with pytest.raises(UsageError, match="empty"):
        steering.answer(context, questions[0].id, " \n")
    with pytest.raises(UsageError, match="No prompt with the number 999"):
        steering.answer(context, 999, "text")
    for question in questions:
        assert steering.answer(context, question.id, PROGRAM.format(gain=question.id)) == job
    assert steering.pending(context) == []
    lifecycle.resume_job(context, job)
    work(context, job, "design")
    candidates = [c for c in snapshot_of(context, job).candidates if c.kind == "designed"]
    assert {c.source for c in candidates} == {PROGRAM.format(gain=q.id) for q in questions}


@pytest.mark.parametrize(
    "name",
    [
        "{home}/../outside.md",
        "/{home}/outside.prompt.md",
        "{home}/manual/../designer-i1-s0-a0-01234567.prompt.md",
        "../../designer-i1-s0-a0-01234567.prompt.md",
        "{home}/manual/designer-i1-s0-a0-01234567.answer.md",
        "designer-i1-s0-a0-0123456/../../x.prompt.md",
        "",
    ],
)
def test_no_answer_is_written_to_a_path_from_a_database_row(tmp_path, name):
    context, job = start(tmp_path / "home", samples=1)
    work(context, job, "design")
    (asked,) = steering.pending(context)
    payload = {"question": name.format(home=tmp_path / "home"), "reply": str(tmp_path / "outside.md")}
    with context.database.begin() as connection:
        connection.execute(work_items.update().where(work_items.c.id == asked.id).values(payload=payload))
    with pytest.raises(UsageError):
        steering.answer(context, asked.id, "text")
    written = [path for path in tmp_path.rglob("*") if path.is_file() and path.read_bytes() == b"text"]
    assert written == []


def test_answer_lies_beside_its_prompt(tmp_path):
    context, job = start(tmp_path / "home", samples=1)
    work(context, job, "design")
    (asked,) = steering.pending(context)
    elsewhere = {"question": f"/srv/elsewhere/{Path(asked.prompt_file).name}", "reply": str(tmp_path / "outside.md")}
    with context.database.begin() as connection:
        connection.execute(work_items.update().where(work_items.c.id == asked.id).values(payload=elsewhere))
    assert steering.answer(context, asked.id, "text") == job
    assert Path(asked.answer_file).read_text() == "text" and not (tmp_path / "outside.md").exists()


def test_a_job_with_other_work_is_not_paused_for_a_person(tmp_path):
    context, job = start(tmp_path)
    item = queue.claim(context.database, "me", 60, job, ["design"])
    assert item is not None
    dispatch.run_item(context, item.id, "me")
    assert len(steering.pending(context)) == 1
    assert not lifecycle.pause_for_answers(context, job)


def test_an_unreadable_answer_is_requested_again_with_the_reason(tmp_path):
    context, job = start(tmp_path, samples=1)
    work(context, job, "design")
    (question,) = steering.pending(context)
    steering.answer(context, question.id, "I would pay for balance.")
    work(context, job, "design")
    (again,) = steering.pending(context)
    assert again.prompt_file != question.prompt_file
    assert "no Python program" in Path(again.prompt_file).read_text()


def test_a_comment_is_in_the_next_round_s_prompts_and_not_in_this_one_s(tmp_path):
    context, job = start(tmp_path)
    assert steering.comment(context, job, "Mind\nthe quiet gap.") == 2
    designed(context, job, 1.0, 2.0)
    prompts = tmp_path / "manual"
    assert not [p for p in prompts.glob("*.prompt.md") if "quiet gap" in p.read_text()]
    trained(context, job, {"1a": 0.2, "1b": 0.4})
    with context.database.begin() as connection:
        queue.cancel_open(connection, job)  # no analyses
    advance(context, job)
    work(context, job, "design")
    asked = [p for p in prompts.glob("designer-i2-*.prompt.md") if "- Mind the quiet gap." in p.read_text()]
    assert len(asked) == 2


def test_a_vetoed_candidate_trains_no_more_and_is_never_the_best(tmp_path):
    context, job = start(tmp_path)
    designed(context, job, 1.0, 2.0)
    trained(context, job, {"1a": 0.9, "1b": 0.4})
    assert snapshot_of(context, job).ranking()[0].id == f"{job}-1a"
    steering.veto(context, f"{job}-1a")
    advance(context, job)
    after = snapshot_of(context, job)
    assert [c.id for c in after.ranking()] == [f"{job}-1b"]
    vetoed = next(c for c in after.candidates if c.id == f"{job}-1a")
    assert (vetoed.state, vetoed.rejection_reason) == ("vetoed", "vetoed by the user")
    with pytest.raises(UsageError, match="baseline"):
        steering.veto(context, f"{job}-sparse")


def test_after_a_veto_the_other_candidates_continue_training(tmp_path):
    context, job = start(tmp_path)
    designed(context, job, 1.0, 2.0)
    steering.veto(context, f"{job}-1a")
    advance(context, job)
    trained(context, job, {"1b": 0.4})
    assert [c.id for c in snapshot_of(context, job).ranking()] == [f"{job}-1b"]


def test_fork_joins_the_next_round_under_its_own_name(tmp_path):
    context, job = start(tmp_path)
    designed(context, job, 1.0, 2.0)
    parent = next(c for c in snapshot_of(context, job).candidates if c.id == f"{job}-1a")
    with pytest.raises(UsageError, match="the same as"):
        steering.add_program(context, parent, parent.source)
    with pytest.raises(UsageError, match="cannot be read: Syntax error"):
        steering.add_program(context, parent, "def reward(:")
    names = [steering.add_program(context, parent, PROGRAM.format(gain=g)) for g in (7.0, 8.0)]
    assert names == [(f"{job}-2user1", 2), (f"{job}-2user2", 2)]
    trained(context, job, {"1a": 0.2, "1b": 0.4})
    with context.database.begin() as connection:
        queue.cancel_open(connection, job)
    advance(context, job)
    work(context, job, "design")
    for question, gain in zip(steering.pending(context), (3.0, 4.0), strict=True):
        steering.answer(context, question.id, PROGRAM.format(gain=gain))
    work(context, job, "design")
    queued = {i.key.candidate for i in snapshot_of(context, job).items_of("check", iteration=2)}
    assert queued == {f"{job}-2{name}" for name in ("a", "b", "user1", "user2")}
    while (item := queue.claim(context.database, "me", 60, job, ["check"])) is not None:
        values = {"state": "rejected", "rejection_reason": "failed check battery: x"}
        with context.database.begin() as connection:
            records.update_candidate(connection, item.key.candidate, **values)
            note = {"kind": "components", "passed": True, "message": "", "details": {"noted": ["key pays nothing"]}}
            records.put_check(connection, candidate_id=item.key.candidate, **note)
            queue.finish(connection, item, "done", {"passed": False})
    advance(context, job)
    work(context, job, "design")
    asked = steering.pending(context)
    prompts = [Path(question.prompt_file).read_text() for question in asked]
    assert prompts and all("which passed: key pays nothing" in prompt for prompt in prompts)
    for question in asked:
        steering.answer(context, question.id, PROGRAM.format(gain=10.0 + question.id))
    work(context, job, "design")
    made = {c.id for c in snapshot_of(context, job).candidates if c.move == "repair"}
    assert made == {f"{job}-2{name}" for name in ("a2", "b2", "user1x2", "user2x2")}


def candidate(name: str, iteration: int, score: float) -> Candidate:
    values = dict.fromkeys(Candidate.__dataclass_fields__)
    return Candidate(**{**values, "id": name, "iteration": iteration, "score": score})


def test_moves_follow_progress():
    best, other, useless = candidate("a", 2, 0.6), candidate("b", 1, 0.3), candidate("c", 1, 0.0)
    assert [choose_move(k, 1, []) for k in range(3)] == ["new"] * 3
    assert [choose_move(k, 3, [best, other]) for k in range(4)] == ["revise", "combine", "new", "new"]
    assert [choose_move(k, 3, [best, useless]) for k in range(2)] == ["revise", "new"]
    assert [choose_move(k, 5, [best, other]) for k in range(3)] == ["combine", "new", "new"]
    assert [choose_move(k, 5, [best]) for k in range(3)] == ["new"] * 3


class Says:
    is_language_model = True

    def __init__(self, name: str, fault=None) -> None:
        self.name, self.fault, self.asked = name, fault, 0

    def complete(self, request: Request) -> Answer:
        self.asked += 1
        if self.fault:
            raise ModelFailed(f"{self.name} failed", "wait", self.fault)
        return Answer("completed", self.name, self.name)


REQUEST = Request("critic", "p", "s", ReplayKey("critic", 1, 0))


def test_fallbacks_are_called_in_order_and_the_first_error_is_kept():
    models = [Says("one", "key"), Says("two", "server"), Says("three"), Says("four")]
    assert FallbackModel(models).complete(REQUEST).text == "three"
    assert [m.asked for m in models] == [1, 1, 1, 0]
    with pytest.raises(ModelFailed, match="one failed"):
        FallbackModel(models[:2]).complete(REQUEST)


def test_long_prompt_is_shortened_before_the_fallback():
    models = [Says("one", "context"), Says("two")]
    with pytest.raises(ModelFailed):
        FallbackModel(models).complete(REQUEST)
    assert models[1].asked == 0


def test_each_role_has_its_model_and_the_fallbacks():
    spec = JobSpec(
        task="CartPole-v1", model="a/x", designer_model="b/y", analyzer_model="synth", fallback_models=("c/z", "d/w")
    )
    assert models_of(spec, "designer") == ["b/y", "c/z", "d/w"]
    assert models_of(spec, "critic") == ["a/x", "c/z", "d/w"]
    assert models_of(spec, "analyzer") == ["synth"]


@pytest.mark.parametrize("address", ["http://me:secret@host/v1", "http://host/v1?key=secret"])
def test_an_address_with_a_secret_in_it_is_refused(address):
    with pytest.raises(ValueError, match="must not carry a password"):
        JobSpec(task="CartPole-v1", api_base=address)

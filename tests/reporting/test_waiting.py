"""What a job's screen says while it waits, after a repair, and after a final evaluation that was cut off."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from rewardsmith.cli.live import plain_line, screen_of
from rewardsmith.config import Settings
from rewardsmith.engine.context import Context, open_context
from rewardsmith.engine.jobs import lifecycle
from rewardsmith.reporting import queries
from rewardsmith.reporting.overview import read_overview
from rewardsmith.spec import JobSpec
from rewardsmith.storage import ledger, records
from rewardsmith.storage.ledger import Amount, CallKey, Limits
from rewardsmith.storage.reads import open_reader
from rewardsmith.storage.schema import llm_calls, work_items


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return open_context(Settings(home=tmp_path))


def started(context: Context) -> str:
    return lifecycle.create_job(context, JobSpec(task="CartPole-v1", method="free", model="openai/gpt-4o", confirm=3))


def ask(context: Context, job: str, role: str, sample: int, ago: float) -> int:
    prompt = {"prompt": "p", "prompt_hash": "h", "prompt_estimate": 1, "note": None}
    key = CallKey(job, 1, role, "", sample, 0)
    call = ledger.reserve(context.database, key, "openai/gpt-4o", Amount(1, 9, 0.1), Limits(), "me", **prompt)
    assert call is not None
    with context.database.begin() as connection:
        began = datetime.now(UTC) - timedelta(seconds=ago)
        connection.execute(update(llm_calls).where(llm_calls.c.id == call).values(created_at=began))
    return call


def test_the_screen_says_whom_a_job_waits_for_and_since_when(context: Context) -> None:
    job = started(context)
    calls = [ask(context, job, "designer", sample, ago) for sample, ago in ((0, 90), (1, 30))]
    with open_reader(context.settings.url) as reader:
        view = read_overview(reader, job)
    assert view.waiting in ("waiting for the designer: 2 prompts, 90 s", "waiting for the designer: 2 prompts, 91 s")
    for call in calls:
        ledger.charge(context.database, call, Amount(1, 3, 0.1), outcome="completed", owner=None)
    with open_reader(context.settings.url) as reader:
        assert read_overview(reader, job).waiting == ""


def test_the_phase_names_what_is_under_way(context: Context) -> None:
    job = started(context)
    with context.database.begin() as connection:
        records.put_iteration(connection, job, 1, state="running")
        connection.execute(update(work_items).where(work_items.c.kind == "baseline").values(state="leased"))
        view = read_overview(connection, job)
    assert view.doing == "training the sparse baseline"
    from rich.console import Console

    console = Console(width=200, file=io.StringIO(), record=True)
    console.print(screen_of(view))
    assert "iteration 1 of 3: training the sparse baseline" in console.export_text()


def test_a_program_that_was_repaired_is_called_sent_back(context: Context) -> None:
    job = started(context)
    with context.database.begin() as connection:
        for name, move, parents in (("1a", "new", []), ("1a2", "repair", [f"{job}-1a"]), ("1b", "new", [])):
            records.put_candidate(
                connection, id=f"{job}-{name}", job_id=job, iteration=1, kind="designed", move=move, sample=0,
                parents=parents, source="x", source_hash=name, thoughts=None, reward={}, state="rejected",
                rejection_reason="failed check gate: x", oracle_informed=False,
            )  # fmt: skip
        view = read_overview(connection, job)
    lines = [plain_line(row) for row in view.rows if not row.candidate.endswith("sparse")]
    assert [line.split("  ")[1] for line in lines] == ["sent back", "rejected", "rejected"]


def test_a_final_evaluation_that_was_cut_off_says_so(context: Context) -> None:
    job_id = started(context)
    with context.database.connect() as connection:
        job = records.get_job(connection, job_id)
    assert queries.missing_seeds(job, 1) == 0, "it is still running"
    ended = replace(job, state="paused")
    assert queries.missing_seeds(ended, 1) == 2 and queries.missing_seeds(ended, 3) == 0
    assert queries.cut_off_words(1, 2) == "The final evaluation was cut off: 1 of 3 seeds have a result."
    assert queries.cut_off_words(3, 0) is None


def test_curves_are_drawn_before_a_job_has_a_best_candidate(context: Context) -> None:
    job = started(context)
    with context.database.begin() as connection:
        assert queries.trained_candidates(connection, job) == []
        records.put_candidate(
            connection, id=f"{job}-1a", job_id=job, iteration=1, kind="designed", move="new", sample=0, parents=[],
            source="x", source_hash="x", thoughts=None, reward={}, state="passed", rejection_reason=None,
            oracle_informed=False,
        )  # fmt: skip
        trial = records.put_trial(
            connection, job_id=job, candidate_id=f"{job}-1a", purpose="search", seed=1, steps=10, state="running"
        )
        assert queries.trained_candidates(connection, job) == []
        records.put_point(connection, trial_id=trial, steps=10, success=0.0)
        assert queries.trained_candidates(connection, job) == [f"{job}-1a"]

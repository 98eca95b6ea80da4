"""The analyzer's predictions, and whether the next program confirms them."""

from __future__ import annotations

import pytest

from rewardsmith.config import Settings
from rewardsmith.engine.context import open_context
from rewardsmith.engine.jobs import lifecycle
from rewardsmith.reporting.hypotheses import outcomes_of
from rewardsmith.spec import JobSpec
from rewardsmith.storage import records


def candidate(connection, job_id, name, parents=(), move="new", score=None):
    records.put_candidate(
        connection, id=f"{job_id}-{name}", job_id=job_id, iteration=int(name[0]), kind="designed", move=move, sample=0,
        parents=[f"{job_id}-{p}" for p in parents], source="", source_hash=name, reward={}, state="trained",
        score=score, oracle_informed=False,
    )  # fmt: skip


@pytest.fixture
def job(tmp_path):
    context = open_context(Settings(home=tmp_path))
    job_id = lifecycle.create_job(context, JobSpec(task="CartPole-v1", steps=1000, confirm=0))
    with context.database.begin() as connection:
        candidate(connection, job_id, "1a", score=0.2)
        labels = {"shaping dominates": "x", "exploited": "y"}
        records.put_analysis(connection, candidate_id=f"{job_id}-1a", labels=labels, prediction="less shaping")
        yield connection, job_id


def outcomes_of_first_candidate(job):
    connection, job_id = job
    return outcomes_of(connection, records.get_candidate(connection, f"{job_id}-1a"))


def test_a_revision_with_more_success_confirms_the_prediction(job):
    connection, job_id = job
    candidate(connection, job_id, "2a", ["1a"], "revise", 0.6)
    records.put_analysis(connection, candidate_id=f"{job_id}-2a", labels={"exploited": "y"})
    (tested,) = outcomes_of_first_candidate(job)
    assert (tested.outcome, tested.gone) == ("came true", ("shaping dominates",))
    assert "20.0 % -> 60.0 %; no longer diagnosed: shaping dominates: the prediction came true" in tested.words()


def test_hypothesis_follows_the_last_repair_only(job):
    connection, job_id = job
    candidate(connection, job_id, "2a", ["1a"], "revise")
    candidate(connection, job_id, "2a2", ["2a"], "repair", 0.22)
    candidate(connection, job_id, "2b", [], "new", 0.9)
    (tested,) = outcomes_of_first_candidate(job)
    assert (tested.candidate, tested.outcome, tested.gone) == (f"{job_id}-2a2", "did not come true", None)


def test_an_untrained_revision_leaves_the_prediction_untested(job):
    connection, job_id = job
    candidate(connection, job_id, "2a", ["1a"], "revise")
    assert [t.outcome for t in outcomes_of_first_candidate(job)] == ["not tested"]

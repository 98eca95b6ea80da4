"""Jobs that have ended: their trials, and how they are extended."""

from __future__ import annotations

import random

import pytest
from made_up_jobs import LaterIsEasier, World, complete, fresh, play, start

from rewardsmith.engine.jobs import lifecycle, service, steering
from rewardsmith.engine.jobs.advance import advance
from rewardsmith.errors import UsageError
from rewardsmith.storage import queue, records


@pytest.mark.parametrize("state", ["done", "failed", "cancelled"])
@pytest.mark.parametrize(
    "steer", [lifecycle.resume_job, service.resume_service_job, service.halt_job, lifecycle.cancel_job]
)
def test_a_job_that_has_ended_is_neither_resumed_nor_paused(tmp_path, steer, state):
    context = fresh(tmp_path)
    job_id = start(context)
    with context.database.begin() as connection:
        records.update_job(connection, job_id, state=state)
    with pytest.raises(UsageError, match=rf"has ended already \({state}\)"):
        steer(context, job_id)
    with context.database.connect() as connection:
        assert records.get_job(connection, job_id).state == state


def test_extend_adds_iterations_to_a_finished_job(tmp_path):
    context = fresh(tmp_path)
    job_id = start(context, iterations=1)
    play(context, job_id, World(5), random.Random(0))
    lifecycle.extend_job(context, job_id, 1)
    advance(context, job_id)
    play(context, job_id, World(5), random.Random(0))
    with context.database.connect() as connection:
        assert len(records.iterations_of(connection, job_id)) == 2


@pytest.mark.parametrize("end", ["cancel", "time", "veto"])
def test_no_trial_is_running_once_its_job_or_candidate_has_ended(tmp_path, end):
    context = fresh(tmp_path)
    job_id = start(context, samples=1)
    for kind in ("design", "check"):
        complete(context, queue.claim(context.database, "me", 60, job_id, [kind]), LaterIsEasier(0))
        advance(context, job_id)
    item = queue.claim(context.database, "me", 60, job_id, ["train"])
    with context.database.begin() as connection:
        records.put_trial(connection, job_id, item.key.candidate, "search", item.key.seed, state="running", steps=500)
    match end:
        case "cancel":
            lifecycle.cancel_job(context, job_id)
        case "time":
            lifecycle.stop_for_time(context, job_id, "spent")
        case "veto":
            steering.veto(context, item.key.candidate)
    with context.database.connect() as connection:
        (trial,) = records.trials_of(connection, candidate_id=item.key.candidate)
    assert (trial.state, trial.steps) == ("stopped", 500)

"""The processes that may claim, finish and lose a job's work items."""

from __future__ import annotations

import pytest
from made_up_jobs import fresh, start

from rewardsmith.engine.jobs import lifecycle
from rewardsmith.errors import LostItem
from rewardsmith.storage import queue


def test_the_fence_decides_who_may_finish_or_lose_an_item(tmp_path):
    context = fresh(tmp_path)
    job_id = start(context)
    item = queue.claim(context.database, "one", 60, job_id)
    with context.database.begin() as connection:
        queue.cancel_open(connection, job_id)
    with pytest.raises(LostItem):
        queue.heartbeat(context.database, item, 60)
    with pytest.raises(LostItem), context.database.begin() as connection:
        queue.finish(connection, item, "done", {})


def test_a_dead_owner_s_item_is_queued_again_and_lost_after_three_attempts(tmp_path):
    context = fresh(tmp_path)
    job_id = start(context)
    gone = queue.make_owner().rsplit(":", 1)[0] + ":1"  # this process id with another start time
    states = []
    for _ in range(3):
        claimed = queue.claim(context.database, gone, 60, job_id, ["baseline"])
        assert claimed is not None
        assert queue.requeue_expired(context.database, 3) == 1
        states.append(queue.get(context.database, claimed.id).state)
    assert states == ["queued", "queued", "lost"]


def test_a_paused_job_hands_out_nothing_until_it_is_resumed(tmp_path):
    context = fresh(tmp_path)
    job_id = start(context)
    lifecycle.pause_job(context, job_id, "break")
    assert queue.claim(context.database, "me", 60, job_id) is None
    lifecycle.resume_job(context, job_id)
    assert queue.claim(context.database, "me", 60, job_id) is not None

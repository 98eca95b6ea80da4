"""Of the duplicate programs of a round, one trains."""

from __future__ import annotations

import random

import pytest
from made_up_jobs import TASK, AllTheSame, fresh, play, start

from rewardsmith.engine.jobs import lifecycle
from rewardsmith.engine.jobs.advance import advance
from rewardsmith.spec import JobSpec
from rewardsmith.storage import records
from rewardsmith.storage.queue import Item


@pytest.mark.parametrize("order", range(4))
@pytest.mark.parametrize("together", [True, False])
def test_of_duplicate_candidates_the_first_by_id_trains(tmp_path, order, together):
    context = fresh(tmp_path)
    job_id = start(context, iterations=1, samples=3, confirm=0, order="halving" if together else "predicted")
    play(context, job_id, AllTheSame(0), random.Random(order))
    with context.database.connect() as connection:
        trained = {i.key.candidate[-2:] for i in records.items_of(connection, job_id) if i.key.kind == "train"}
        causes = {c.id[-2:]: c.rejection_reason for c in records.candidates_of(connection, job_id)}
    assert trained == {"1a"}
    assert causes["1b"] == causes["1c"] and f"pays exactly what {job_id}-1a pays" in causes["1b"]


def test_a_user_s_program_trains_even_if_it_is_a_duplicate(tmp_path):
    context = fresh(tmp_path)
    spec = JobSpec(task=TASK, iterations=1, samples=2, confirm=0, steps=1000, method="free")
    job_id = lifecycle.create_job(context, spec, "def reward(prev, action, state, memory):\n    return 1.0\n")
    advance(context, job_id)
    play(context, job_id, AllTheSame(0), random.Random(0))
    with context.database.connect() as connection:
        trained = {i.key.candidate for i in records.items_of(connection, job_id) if i.key.kind == "train"}
    assert trained == {f"{job_id}-1seed"}


def test_a_repair_that_duplicates_a_design_is_not_trained_twice(tmp_path):
    class RepairedToTheSame(AllTheSame):
        def draw(self, item: Item) -> float:
            return 0.2 if item.key.kind == "check" and item.key.candidate.endswith("1b") else super().draw(item)

    context = fresh(tmp_path)
    for order in range(4):
        job_id = start(context, iterations=1, samples=2, confirm=0, target=None)
        play(context, job_id, RepairedToTheSame(0), random.Random(order))
        with context.database.connect() as connection:
            trained = {i.key.candidate for i in records.items_of(connection, job_id) if i.key.kind == "train"}
        assert trained == {f"{job_id}-1a"}

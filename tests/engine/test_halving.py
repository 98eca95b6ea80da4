"""Successive halving: the candidates that are promoted from a rung."""

from __future__ import annotations

import random

import pytest
from made_up_jobs import Scored, fresh, play, start

from rewardsmith.storage import records


@pytest.mark.parametrize(
    ("scores", "finalists"),
    [
        (
            {"a": 1.0, "b": 0.8, "c": 0.5},
            "a",
        ),  # the leader's interval is above the target, the others' are below the leader's
        ({"a": 1.0, "b": 0.98, "c": 0.5}, "ab"),  # the second may be as good
        ({"a": 0.96, "b": 0.8, "c": 0.5}, "ab"),  # 192 of 200 may be less than 95 %
    ],
)
def test_a_leader_whose_interval_is_above_the_target_continues_alone(tmp_path, scores, finalists):
    context = fresh(tmp_path)
    for target, expected in ((0.95, finalists), (None, "ab")):
        job_id = start(
            context, iterations=1, samples=3, rungs=[0.5, 1.0], confirm=0, target=target, steps=10**6,
            order="halving",
        )  # fmt: skip
        play(context, job_id, Scored(scores), random.Random(1))
        with context.database.connect() as connection:
            items = records.items_of(connection, job_id)
        last = {i.key.candidate[-1] for i in items if i.key.kind == "train" and i.key.rung == 1}
        assert "".join(sorted(last)) == expected

"""Predicted first: one candidate after the other trains, until one reaches the target."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from made_up_jobs import LaterIsEasier, Rated, World, complete, fresh, play, start

from rewardsmith.engine.jobs.advance import advance
from rewardsmith.programs.reward import source_hash
from rewardsmith.storage import queue, records
from rewardsmith.storage.queue import Item


@pytest.mark.parametrize(
    ("scores", "trained", "best"),
    [
        ({"a": 1.0, "b": 1.0, "c": 0.96}, {"c": 2}, "c"),  # the first reaches the target: no other trains
        ({"a": 0.3, "b": 1.0, "c": 0.5}, {"b": 2, "c": 2}, "b"),  # it does not: the next trains to the end
        ({"a": 1.0, "b": 1.0, "c": 0.0}, {"b": 2, "c": 1}, "b"),  # it is stopped half-way
        ({"a": 0.9, "b": 0.8, "c": 0.5}, {"a": 2, "b": 2, "c": 2}, "a"),  # all have been tried
        (
            {"a": 0.0, "b": 0.0, "c": 0.0},
            {"a": 1, "b": 2, "c": 2},
            "c",
        ),  # no success half-way: two continue
        ({"a": 0.0, "b": 0.5, "c": 0.0}, {"a": 1, "b": 2, "c": 2}, "b"),
        ({"a": 0.3, "b": 1.0, "c": 0.01}, {"b": 2, "c": 1}, "b"),  # a fault ends it early
    ],
)
def test_candidates_train_in_predicted_order_until_one_succeeds(tmp_path, scores, trained, best):
    context = fresh(tmp_path)
    job_id = start(context, iterations=1, samples=3, rungs=[0.5, 1.0], confirm=0, steps=10**6)
    ranked = play(context, job_id, Rated(scores), random.Random(1))
    with context.database.connect() as connection:
        items = records.items_of(connection, job_id)
        causes = {c.id[-1]: c.rejection_reason for c in records.candidates_of(connection, job_id)}
    count = Counter(i.key.candidate[-1] for i in items if i.key.kind == "train")
    assert count == trained
    assert ranked[0].endswith(best)
    if best == "b" and trained == {"b": 2, "c": 1} and not scores["c"]:
        assert causes["c"] == "given up after 50% of its steps: 0% success"
    for name in set("abc") - set(trained):
        assert causes[name].startswith("not trained: ") and causes[name].endswith("reached the target")


def test_a_user_s_own_program_trains_first(tmp_path):
    context = fresh(tmp_path)
    job_id = start(context, iterations=1, samples=3, rungs=[0.5, 1.0], confirm=0)
    with context.database.begin() as connection:
        records.put_candidate(
            connection, id=f"{job_id}-1seed", job_id=job_id, iteration=1, kind="seeded", move="new", sample=3,
            parents=[], source="# mine", source_hash=source_hash("# mine"), reward={}, state="designed",
            rejection_reason=None, oracle_informed=False,
        )  # fmt: skip
    advance(context, job_id)
    play(context, job_id, Rated({"d": 1.0}), random.Random(2))
    with context.database.connect() as connection:
        first = next(i for i in records.items_of(connection, job_id) if i.key.kind == "train")
    assert first.key.candidate == f"{job_id}-1seed"


def test_the_order_is_predicted_once_repairs_have_been_checked(tmp_path):
    class RepairedIsEasiest(World):
        def draw(self, item: Item) -> float:
            return 0.2 if item.key.kind == "check" and item.key.candidate.endswith("1a") else 0.9

        def difficulty(self, item: Item) -> float | None:
            return 1.0 if item.key.candidate.endswith("1a2") else 2.0

    context = fresh(tmp_path)
    job_id, world = start(context, iterations=1, samples=2, confirm=0), RepairedIsEasiest(0)
    for kind in ("baseline", "design", "design", "check", "check", "design", "check"):
        assert queue.claim(context.database, "me", 60, job_id, ["train"]) is None
        complete(context, queue.claim(context.database, "me", 60, job_id, [kind]), world)
        advance(context, job_id)
    assert queue.claim(context.database, "me", 60, job_id, ["train"]).key.candidate.endswith("1a2")


def test_predicted_easiest_trains_first_with_a_short_budget(tmp_path):
    context = fresh(tmp_path)
    for budget, together, trained in (({}, True, "cba"), ({}, False, "cba"), ({"env_steps": 6200}, False, "c")):
        job_id = start(
            context,
            iterations=1,
            samples=3,
            rungs=[0.5, 1.0],
            budget=budget,
            order="halving" if together else "predicted",
        )
        play(context, job_id, LaterIsEasier(0), random.Random(1))
        with context.database.connect() as connection:
            items = records.items_of(connection, job_id)
        first = [i.key.candidate[-1] for i in items if i.key.kind == "train" and i.key.rung == 0]
        assert "".join(first) == trained

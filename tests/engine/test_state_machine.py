"""The job as a state machine, with simulated results in place of training."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made_up_jobs import LaterIsEasier, World, behaviour_of, complete, fresh, play, start

from rewardsmith.engine.jobs.advance import advance
from rewardsmith.engine.search.snapshot import AGAIN
from rewardsmith.errors import UsageError
from rewardsmith.storage import queue, records
from rewardsmith.storage.queue import Item

IN_ANY_ORDER = given(
    world=st.integers(0, 10_000), first=st.integers(0, 99), second=st.integers(100, 199), together=st.booleans()
)  # fmt: skip


@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@IN_ANY_ORDER
def test_a_job_ends_the_same_in_whatever_order_its_items_finish(world, first, second, together):
    require_the_same_end(world, first, second, together)


@pytest.mark.slow
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@IN_ANY_ORDER
def test_many_jobs_end_the_same_in_whatever_order_their_items_finish(world, first, second, together):
    require_the_same_end(world, first, second, together)


def require_the_same_end(world, first, second, together):
    with tempfile.TemporaryDirectory() as folder:
        context = fresh(Path(folder))
        outcomes = []
        for order in (first, second):
            job_id = start(context, samples=4, order="predicted" if together else "halving")
            ranked = play(context, job_id, World(world), random.Random(order))
            with context.database.connect() as connection:
                candidates = records.candidates_of(connection, job_id)
                items = records.items_of(connection, job_id)
            assert all(c.rejection_reason for c in candidates if c.state == "rejected")
            assert all(c.state in ("rejected", "trained", "passed") for c in candidates)
            assert len({i.key for i in items}) == len(items)
            assert not any(c.retrains for c in candidates)
            again = [i for i in items if i.key.sample == AGAIN and i.key.kind == "train"]
            begun = {c.id: c.adjustment["rung"] for c in candidates if c.adjustment}
            assert all(i.key.rung >= begun[i.key.candidate] for i in again)
            stands = {c.id for c in candidates if c.retrained_from is not None}
            assert all(i.key.candidate in stands for i in again if i.key.rung > begun[i.key.candidate])
            trained = {i.key.candidate.split("-", 1)[1] for i in items if i.key.kind == "train"}
            paid = [(c.iteration, behaviour_of(items, c.id)) for c in candidates if c.id.split("-", 1)[1] in trained]
            assert len(set(known := [p for p in paid if p[1]])) == len(known), "two that pay the same were trained"
            states = {c.id.split("-", 1)[1]: (c.state, c.adjustment and c.adjustment["stands"]) for c in candidates}
            outcomes.append((ranked, trained, states))
        assert outcomes[0] == outcomes[1]
        context.database.dispose()


def test_repairs_follow_failed_checks_only_and_stop_at_the_limit(tmp_path):
    class AlwaysFails(World):
        def draw(self, item: Item) -> float:
            return 0.2 if item.key.kind == "check" else 0.9

    context = fresh(tmp_path)
    job_id = start(context, iterations=1, samples=1, repairs=2)
    play(context, job_id, AlwaysFails(0), random.Random(0))
    with context.database.connect() as connection:
        names = [c.id.split("-", 1)[1] for c in records.candidates_of(connection, job_id)]
    assert sorted(names) == ["1a", "1a2", "1a3", "sparse"]


def test_the_step_budget_reserves_the_steps_of_the_claim(tmp_path):
    context = fresh(tmp_path)
    with pytest.raises(UsageError, match="environment steps is too small: the claim takes"):
        start(context, budget={"env_steps": 4000})
    # So few steps have no forced truncation, so both rungs are one: claim, baseline and one candidate cost 6,000.
    job_id = start(context, budget={"env_steps": 6200}, samples=4, rungs=[0.5, 1.0])
    play(context, job_id, World(3), random.Random(0))
    with context.database.connect() as connection:
        items = records.items_of(connection, job_id)
        rejected = [c for c in records.candidates_of(connection, job_id) if "budget" in (c.rejection_reason or "")]
    assert sum(i.key.kind == "train" for i in items) <= 1
    assert rejected


def test_no_candidate_trains_while_a_check_of_the_round_is_open(tmp_path):
    context = fresh(tmp_path)
    job_id = start(context, iterations=1, samples=2, confirm=0)
    world = LaterIsEasier(0)
    for kind in ("baseline", "design", "design", "check"):
        complete(context, queue.claim(context.database, "me", 60, job_id, [kind]), world)
        advance(context, job_id)
    assert queue.claim(context.database, "me", 60, job_id, ["train"]) is None
    complete(context, queue.claim(context.database, "me", 60, job_id, ["check"]), world)
    advance(context, job_id)
    assert queue.claim(context.database, "me", 60, job_id, ["train"]).key.candidate.endswith("1b")

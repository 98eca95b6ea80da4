"""Checks repeated with other weights, and the comparison of both verdicts."""

from __future__ import annotations

import pytest

from rewardsmith.config import Settings
from rewardsmith.engine.context import open_context
from rewardsmith.engine.items.dispatch import run_item
from rewardsmith.engine.items.recheck import worse
from rewardsmith.engine.jobs import lifecycle
from rewardsmith.methods import get_method
from rewardsmith.programs.reward import source_hash
from rewardsmith.spec import JobSpec
from rewardsmith.storage import queue, records
from rewardsmith.storage.queue import ItemKey
from rewardsmith.storage.reads import fetch
from rewardsmith.verification.checks import Verdict

MOVES = """
def reward(prev, action, state, memory):
    return 1.0 if state.event == "picked_up" else 0.0
"""


def layouts(verdict: str) -> dict:
    return {"layouts": [{"verdict": verdict, "layout": 0, "high": None, "low": None}], "layouts_asked": 1}


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ({"passed": True, "details": None}, Verdict("battery", False, "idling wins"), "battery: idling wins"),
        ({"passed": False, "details": None}, Verdict("battery", False, "idling wins"), None),
        ({"passed": False, "details": None}, Verdict("battery", True, "solving wins"), None),
        (None, Verdict("contract", False, "it raised"), "contract: it raised"),
        (
            {"passed": True, "details": layouts("sound")},
            Verdict("certificate", True, "", layouts("slow")),
            "certificate: slow on 1 layout, up to 100 % unsound possible, which was sound",
        ),
        ({"passed": True, "details": layouts("slow")}, Verdict("certificate", True, "", layouts("sound")), None),
    ],
)
def test_verdict_is_worse_after_a_new_failure_or_weaker_certificate(before, after, told):
    found = worse({after.kind: before} if before else {}, [after])
    assert found is None if told is None else found.startswith(told)


@pytest.mark.parametrize(("weight", "passes"), [(0.01, True), (50.0, False)])
def test_recheck_uses_the_weights_of_the_second_training(tmp_path, weight, passes):
    context = open_context(Settings(home=tmp_path))
    job_id = lifecycle.create_job(context, JobSpec(task="MiniGrid-DoorKey-5x5-v0", method="free", steps=10_000))
    name = f"{job_id}-1a"
    with context.database.begin() as connection:
        queue.cancel_open(connection, job_id)
        records.put_candidate(
            connection, id=name, job_id=job_id, iteration=1, kind="designed", move="new", sample=0, parents=[],
            source=MOVES, source_hash=source_hash(MOVES), reward=get_method("free").reward(MOVES).stored,
            state="passed", oracle_informed=False,
            adjustment={"reason": "saturated", "weights": {"reward": weight}, "rung": 0},
        )  # fmt: skip
        for kind in ("battery", "certificate"):
            records.put_check(connection, candidate_id=name, kind=kind, passed=True, message="", details=None)
        queue.insert(connection, ItemKey(job_id, "recheck", 1, name, rung=0), {"weights": {"reward": weight}})
        records.update_job(connection, job_id, state="running")
    item = queue.claim(context.database, "me", 60, job_id, ["recheck"])
    run_item(context, item.id, "me")
    done = queue.get(context.database, item.id)
    with context.database.connect() as connection:
        row = next(r for r in fetch(connection, "checks", candidate_id=name) if r["kind"] == "recheck")
    assert done.state == "done" and done.result["passed"] is row["passed"] is passes, row["message"]
    assert f"with other weights (reward {weight:g})" in row["message"]
    assert {v["kind"] for v in row["details"]["verdicts"]} == {"battery", "certificate"}

"""Verdicts that an older version stored: screens and the card show them with their bound."""

from __future__ import annotations

import json

import pytest
from running import in_process

from rewardsmith.config import Settings
from rewardsmith.engine.context import open_context
from rewardsmith.engine.jobs import lifecycle
from rewardsmith.reporting.card import card_text
from rewardsmith.spec import JobSpec
from rewardsmith.storage import records

OPTIMUM = {
    "value": 13.94,
    "value_without_success": 12.85,
    "error": 1e-12,
    "solves": True,
    "may_solve": True,
    "steps": 14,
}
OLD = {
    "task": "MiniGrid-LavaCrossingS9N2-v0", "gamma": 0.97, "verdict": "sound", "difficulty": 9.0, "notes": [],
    "message": "sound on 3 of 3 layouts. Every optimal policy solves.", "unsound_rate_below": 1.0,
    "layouts": [
        {"layout": at, "verdict": "sound", "reason": "", "coverage": 1.0, "low": {**OPTIMUM, "value": 12.85 + margin},
         "high": OPTIMUM, "episode": 324, "counterexample": None, "difficulty": None}
        for at, margin in ((0, 0.5), (1, 1.8), (2, 0.085))
    ],
}  # fmt: skip
METER = {"guidance": 10.0, "exploited": 256.0, "success_pay": -0.0387, "cap": 10.0, "ratio": 2.56e11}


@pytest.fixture
def job_with_old_verdict(tmp_path):
    """(folder, job, candidate) of a job whose candidate was checked by an older version."""
    context = open_context(Settings(home=tmp_path / ".rewardsmith"))
    job_id = lifecycle.create_job(context, JobSpec(task="MiniGrid-LavaCrossingS9N2-v0", steps=1000, confirm=0))
    name = f"{job_id}-1a"
    with context.database.begin() as connection:
        records.put_candidate(
            connection, id=name, job_id=job_id, iteration=1, kind="designed", move="new", sample=0, parents=[],
            source="def reward(prev, action, state, memory):\n    return 0.0\n", source_hash="1a", reward={},
            state="passed", score=None, oracle_informed=False,
        )  # fmt: skip
        records.put_check(connection, candidate_id=name, kind="battery", passed=True, message="told",
                          details={"shaping": METER})  # fmt: skip
        records.put_check(
            connection, candidate_id=name, kind="certificate", passed=True, message=OLD["message"], details=OLD
        )
    return context, tmp_path, job_id, name


def test_show_and_card_state_bound_and_margin_of_old_verdicts(job_with_old_verdict):
    context, folder, job_id, name = job_with_old_verdict
    ran = in_process(folder, "show", name)
    assert ran.returncode == 0, ran.stderr
    shown = " ".join(ran.stdout.split())
    with context.database.begin() as connection:
        job, candidate = records.get_job(connection, job_id), records.get_candidate(connection, name)
        card = card_text(connection, job, candidate, {})
    assert "At most 63.2 % of the task's layouts are unsound" in card and "Smallest margin 0.085, on layout 2." in card
    assert "63.2 %" in shown and "Smallest margin 0.085" in shown
    assert "certificate: sound on 3 layouts, up to 63.2 % unsound possible; " in card
    assert "2.56e+11" not in ran.stdout and "ratio - (the success reward is zero or less" in shown


def test_json_of_an_older_verdict_has_the_fields_of_a_new_one(job_with_old_verdict):
    _, folder, _, name = job_with_old_verdict
    ran = in_process(folder, "show", name, "--format", "json")
    battery, certificate = (check["details"] for check in json.loads(ran.stdout)[0]["checks"])
    assert certificate["unsound_rate_below"] == pytest.approx(0.6316, abs=1e-4)
    assert (certificate["smallest_margin_layout"], certificate["layouts_asked"]) == (2, 3)
    assert battery["shaping"]["ratio"] is None and "zero or less" in battery["shaping"]["reason"]

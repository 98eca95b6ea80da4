"""A database of revision 0007 with a finished job under the names of that version: upgraded, shown, and taken back."""

from __future__ import annotations

import json

import pytest
from alembic import command
from both_databases import config_for
from running import in_process
from sqlalchemy import Engine, create_engine, text

from rewardsmith.programs.reward import SPARSE
from rewardsmith.spec import JobSpec, with_defaults
from rewardsmith.storage import records
from rewardsmith.storage.database import open_database, upgrade

SPEC = {
    **{n: v for n, v in JobSpec.model_validate(with_defaults({"task": "MiniGrid-DoorKey-5x5-v0", "method": "free"}))
       .model_dump(mode="json").items() if n not in ("episode_cap", "order", "combine", "options")},
    "combine": ["rnd"], "options": {"rnd": {"rate": 0.001, "share": 0.5}}, "episode_budget": 2.5,
    "favourite_first": False,
}  # fmt: skip
CHANNEL = {
    "name": "reward", "kind": "program", "weight": 1.0, "bound": "none", "limit": 10000.0, "gate": "none",
    "threshold": 0.0, "exponent": 1.0, "anneal": [0, 0], "budget": 2.5, "mean": 0.0, "std": 1.0, "shift": 0.0,
}  # fmt: skip
OPTIMUM = {"value": 1.0, "value_without_success": 0.5, "error": 0.0, "solves": True, "may_solve": True, "steps": 30}
CERTIFICATE = {
    "task": "MiniGrid-DoorKey-5x5-v0", "gamma": 0.97, "verdict": "dilatory", "difficulty": None, "notes": [],
    "headline": "dilatory on 1 layout", "message": "dilatory on 1 of 1 layouts.",
    "layouts": [{"layout": 0, "verdict": "dilatory", "reason": "", "coverage": 1.0, "low": OPTIMUM, "high": OPTIMUM,
                 "episode": 250, "counterexample": None, "difficulty": None}],
}  # fmt: skip
BATTERY = {"flooding": {"guidance": 10.0, "farmed": 4.0, "success_pay": 2.0, "budget": 9.0, "ratio": 5.0}}
REASON = "failed check certificate: depends on time on 1 of 1 layouts."
SOURCE_HASH = "b43b066907685dde7a31e2a70cb29e171e490110c47130c87a4ab01312af2b7d"


def insert(connection, table: str, **values) -> None:
    names = ", ".join(values)
    marks = ", ".join(f":{name}" for name in values)
    held = {n: json.dumps(v) if isinstance(v, dict | list) else v for n, v in values.items()}
    connection.execute(text(f"INSERT INTO {table} ({names}) VALUES ({marks})"), held)


@pytest.fixture
def at_0007(url) -> Engine:
    """A database of revision 0007 with a finished job: a baseline, and a rejected candidate."""
    open_database(url).dispose()
    engine = create_engine(url)
    moment = "2026-01-01 00:00:00"
    with engine.begin() as connection:
        command.downgrade(config_for(connection), "0007")
    with engine.begin() as connection:
        insert(
            connection, "jobs", id="old123", task=SPEC["task"], method="free", fingerprint="f", spec=SPEC, state="done",
            oracle_informed=False, created_at=moment, finished_at=moment, active_seconds=1.5,
        )  # fmt: skip
        shared = {
            "job_id": "old123", "sample": 0, "parents": [], "oracle_informed": False, "created_at": moment,
        }  # fmt: skip
        insert(
            connection, "candidates", id="old123-sparse", iteration=0, kind="baseline", move="baseline", source="",
            source_hash=SOURCE_HASH, reward={"functions": [], "channels": []}, state="passed", **shared,
        )  # fmt: skip
        insert(
            connection, "candidates", id="old123-1a", iteration=1, kind="designed", move="new",
            source="def reward(prev, action, state, memory):\n    return 0.5\n", source_hash="h",
            reward={"functions": ["reward"], "channels": [CHANNEL]}, state="dead", cause_of_death=REASON,
            adjustment={"reason": "drowned", "rung": 0, "training": {"entropy": 0.001}, "stands": False,
                        "note": "trained once more"}, **shared,
        )  # fmt: skip
        for kind, details in (("battery", BATTERY), ("certificate", CERTIFICATE)):
            insert(connection, "checks", candidate_id="old123-1a", kind=kind, passed=True,
                   message="dilatory on 1 of 1 layouts.", details=details)  # fmt: skip
        insert(connection, "analyses", candidate_id="old123-1a", labels={"flooding": "x", "drowned": "y"})
        insert(
            connection, "work_items", job_id="old123", iteration=1, kind="train", candidate="old123-1a", seed=0, rung=0,
            sample=0, state="done", attempt=1, payload={}, result={"proposal": {"reason": "drowned"}},
            created_at=moment, hinted_at=moment,
        )  # fmt: skip
        insert(connection, "events", at=moment, kind="reaped", job_id="old123")
    return engine


def rows(engine: Engine, query: str) -> list[dict]:
    with engine.connect() as connection:
        found = [dict(row) for row in connection.execute(text(query)).mappings()]
    return [{n: json.loads(v) if isinstance(v, str) and v[:1] in "{[" else v for n, v in row.items()} for row in found]


def test_a_job_of_revision_0007_is_shown_under_the_new_terms(at_0007, tmp_path):
    url = at_0007.url.render_as_string(hide_password=False)
    upgrade(at_0007)
    with at_0007.connect() as connection:
        job, candidate = records.get_job(connection, "old123"), records.get_candidate(connection, "old123-1a")
    spec = JobSpec.model_validate(job.spec)
    assert (spec.episode_cap, spec.order, spec.renamed) == (2.5, "halving", ())
    assert spec.options == {"rnd": {"learning_rate": 0.001, "update_proportion": 0.5}}
    assert candidate.state == "rejected"
    assert candidate.rejection_reason == "failed check certificate: time-dependent on 1 of 1 layouts."
    assert candidate.reward["channels"][0]["cap"] == 2.5 and candidate.adjustment["reason"] == "entropy dominates"
    for name, words in (("old123", ("rejected",)), ("old123-1a", ("time-dependent on", "slow", "episode", "2.5"))):
        ran = in_process(tmp_path, "show", name, env={"REWARDSMITH_DATABASE_URL": url})
        assert ran.returncode == 0, ran.stderr
        for word in words:
            assert word in ran.stdout, word
        assert "dilatory" not in ran.stdout and "depends on time" not in ran.stdout


def test_stored_json_and_views_hold_the_new_names(at_0007):
    upgrade(at_0007)
    battery, certificate = (row["details"] for row in rows(at_0007, "SELECT details FROM checks ORDER BY kind"))
    assert battery["shaping"]["exploited"] == 4.0 and battery["shaping"]["cap"] == 9.0
    assert (certificate["verdict"], certificate["headline"]) == ("slow", "slow on 1 layout")
    assert certificate["layouts"][0]["verdict"] == "slow"
    assert rows(at_0007, "SELECT labels FROM analyses")[0]["labels"] == {
        "shaping dominates": "x", "entropy dominates": "y",
    }  # fmt: skip
    (item,) = rows(at_0007, "SELECT result, notified_at FROM work_items")
    assert item["result"]["proposal"]["reason"] == "entropy dominates" and item["notified_at"] is not None
    assert rows(at_0007, "SELECT kind FROM events")[0]["kind"] == "requeued"
    for view in ("v_lineage", "v_candidates", "v_leaderboard"):
        (row,) = rows(at_0007, f"SELECT rejection_reason, cause_of_death FROM {view} WHERE state = 'rejected'")
        assert row["rejection_reason"] == row["cause_of_death"] is not None
    (baseline,) = rows(at_0007, "SELECT source_hash FROM candidates WHERE kind = 'baseline'")
    assert baseline["source_hash"] == SPARSE.hash


def test_a_downgrade_restores_what_revision_0007_stored(at_0007):
    upgrade(at_0007)
    with at_0007.begin() as connection:
        command.downgrade(config_for(connection), "0007")
    (job,) = rows(at_0007, "SELECT spec FROM jobs")
    assert job["spec"] == SPEC
    (candidate,) = rows(at_0007, "SELECT state, cause_of_death, reward FROM candidates WHERE kind = 'designed'")
    assert (candidate["state"], candidate["cause_of_death"]) == ("dead", REASON)
    assert candidate["reward"]["channels"] == [CHANNEL]
    found = [row["details"] for row in rows(at_0007, "SELECT details FROM checks ORDER BY kind")]
    assert found == [BATTERY, CERTIFICATE]
    assert rows(at_0007, "SELECT labels FROM analyses")[0]["labels"] == {"flooding": "x", "drowned": "y"}

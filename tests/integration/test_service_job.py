"""A job by Celery, Redis and Postgres: the same as by the local executor."""

from __future__ import annotations

import json

import pytest
from distributions import LANE_TASKS, install
from running import in_process, rewardsmith
from service import Service, serving, wait_for

from rewardsmith.engine.capabilities import unmet_jobs
from rewardsmith.engine.jobs import service as jobs
from rewardsmith.engine.served import NotServed
from rewardsmith.spec import read_spec, with_defaults

pytestmark = pytest.mark.integration

SPEC = {
    "task": "MiniGrid-Empty-5x5-v0",
    "method": "free",
    "iterations": 1,
    "samples": 2,
    "steps": 8_192,
    "rungs": [0.5, 1.0],
    "target": None,
    "confirm": 0,
    "training": {"eval_episodes": 20, "final_episodes": 40},
}


TINY = {
    "num_envs": 4, "rollout_steps": 32, "batch_size": 64, "epochs": 1, "eval_episodes": 10, "final_episodes": 10
}  # fmt: skip


def submit(service: Service, **options) -> str:
    """Submit in this process; `steps` and the like override the spec."""
    asked = {key: options.pop(key) for key in ("owner", "priority", "slots") if key in options}
    return jobs.submit_job(service.context, read_spec(with_defaults({**SPEC, **options})), **asked)


def ended(service: Service, job: str) -> bool:
    state = service.query("SELECT state FROM jobs WHERE id = :job", job=job)[0][0]
    assert state in ("running", "done"), (state, service.log()[-3000:])
    return state == "done"


@pytest.fixture(scope="module")
def service(tmp_path_factory, redis_server, postgres_server):
    """A service whose workers have the distribution warehouse-tasks installed, as this process has."""
    folder = tmp_path_factory.mktemp("service")
    with pytest.MonkeyPatch.context() as patch:
        site = install(folder / "site", patch, LANE_TASKS)
        with serving(folder, redis_server, postgres_server, PYTHONPATH=str(site)) as made:
            made.worker()
            made.scheduler()
            yield made


def test_a_worker_trains_on_an_installed_task(service):
    few = {"samples": 1, "steps": 1024, "rungs": [1.0], "training": TINY}
    job = submit(service, task="lane", **few)
    wait_for(lambda: ended(service, job), 90)
    trained = "SELECT count(*) FROM trials WHERE job_id = :job AND state = 'done' AND steps >= 1024"
    assert service.query(trained, job=job)[0][0] >= 1
    with pytest.raises(NotServed, match="take installed tasks only"):
        submit(service, task="warehouse_tasks.lane:LaneTask", **few)


def test_a_job_for_a_gpu_waits_while_the_workers_have_none(service):
    few = {"samples": 1, "steps": 1024, "rungs": [1.0]}
    job = submit(service, **few, training={**TINY, "device": "cuda"}, priority=9)
    other = submit(service, **few, training=TINY)
    wait_for(lambda: ended(service, other), 90)
    state = service.query("SELECT state, attempt FROM work_items WHERE job_id = :job AND kind = 'baseline'", job=job)
    assert state == [("queued", 0)]
    with service.context.database.connect() as connection:
        assert unmet_jobs(connection) == [(job, ["device cuda"])]
    jobs.halt_job(service.context, job)


def test_a_submitted_job_ends_as_the_same_job_run_locally(service, tmp_path_factory):
    job = submit(service)
    wait_for(lambda: ended(service, job), 90)
    alone = tmp_path_factory.mktemp("alone")
    (alone / "job.yaml").write_text(json.dumps(SPEC))
    ran = rewardsmith(alone, "run", "--spec", "job.yaml", "--slots", "2")
    assert ran.returncode == 0, ran.stderr
    other = json.loads(in_process(alone, "ls", "--format", "json").stdout)[0]["job"]
    import sqlite3

    with sqlite3.connect(alone / ".rewardsmith" / "rewardsmith.db") as local:
        for statement in (CANDIDATES, CURVES, CHECKS):
            rows = [row for row in service.query(statement) if row[0].startswith(job)]
            mine = [(row[0].replace(job, "job"), *row[1:]) for row in rows]
            theirs = [(row[0].replace(other, "job"), *row[1:]) for row in local.execute(statement)]
            assert mine == theirs and mine


CANDIDATES = "SELECT id, state, score, source_hash, move FROM candidates ORDER BY id"
CURVES = """SELECT t.candidate_id, t.purpose, t.seed, t.steps, t.success, t.greedy_success, p.steps, p.success
    FROM trials t JOIN curve_points p ON p.trial_id = t.id ORDER BY t.candidate_id, t.purpose, t.seed, p.steps"""
CHECKS = """SELECT candidate_id, kind, CAST(passed AS INTEGER) FROM checks ORDER BY candidate_id, kind"""

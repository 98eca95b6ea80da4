"""What may happen to a service while a job of eight trials runs. Each time the job ends whole, and nothing stays.

One service goes through all of it: what a fault leaves behind must not keep the next job from its end either.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import pytest
from service import Service, serving, wait_for

from rewardsmith.engine import service as jobs
from rewardsmith.spec import read_spec
from workers.delivery import send

pytestmark = pytest.mark.service

SPEC = {
    "task": "CartPole-v1",
    "method": "free",
    "model": "none",
    "iterations": 1,
    "samples": 1,
    "steps": 1000,
    "rungs": [0.5, 1.0],
    "target": None,
    "seeds": 2,
    "confirm": 2,
}
REWARD = "def reward(prev, action, state, memory):\n    return 1.0\n"
TRIALS = 1 + 2 * 2 + 2 * 2  # baseline; two rungs of two seeds; two arms of two seeds


@pytest.fixture(scope="module")
def service(tmp_path_factory, redis_server, postgres_server):
    stub = Path(__file__).with_name("stub")
    path = os.pathsep.join([str(stub), *([os.environ["PYTHONPATH"]] if "PYTHONPATH" in os.environ else [])])
    folder = tmp_path_factory.mktemp("faults")
    with serving(folder, redis_server, postgres_server, PYTHONPATH=path) as made:
        made.worker()
        made.scheduler()
        yield made


def submit(service: Service) -> str:
    return jobs.submit_job(service.context, read_spec(SPEC), REWARD)


def state_of(service: Service, job: str) -> str:
    return service.query("SELECT state FROM jobs WHERE id = :job", job=job)[0][0]


def training(service: Service, job: str, count: int = 1) -> bool:
    found = service.query(
        "SELECT count(*) FROM work_items w JOIN trials t ON t.candidate_id = w.candidate AND t.seed = w.seed "
        "WHERE w.job_id = :job AND w.state = 'leased' AND t.state = 'running'",
        job=job,
    )
    return found[0][0] >= count


def begin(service: Service) -> str:
    """A job that is being trained."""
    job = submit(service)
    wait_for(lambda: training(service, job), 60)
    return job


def end(service: Service, job: str, seconds: float = 90) -> None:
    """The job ends, with every item done and every trial recorded once, and no trial's process left."""
    try:
        wait_for(lambda: state_of(service, job) != "running", seconds)
    except AssertionError:
        items = service.query("SELECT id, kind, state, attempt, owner FROM work_items WHERE job_id = :job", job=job)
        raise AssertionError(f"{items}\n{service.log()[-4000:]}") from None
    assert state_of(service, job) == "done"
    items = service.query("SELECT kind, state FROM work_items WHERE job_id = :job", job=job)
    assert {state for _, state in items} == {"done"}
    assert sum(kind in ("baseline", "train", "confirm") for kind, _ in items) == TRIALS
    # A trial keeps one row over its rungs: two searched seeds, the baseline's, and the claim's four.
    rows = service.query("SELECT state, steps FROM trials WHERE job_id = :job", job=job)
    assert len(rows) == 7 and sum(row == ("done", 1000) for row in rows) == 6
    curves = service.query(
        "SELECT t.id, count(*), count(DISTINCT p.steps) FROM trials t JOIN curve_points p ON p.trial_id = t.id "
        "WHERE t.job_id = :job GROUP BY t.id",
        job=job,
    )
    assert all(points == distinct for _, points, distinct in curves)
    wait_for(lambda: not service.processes("workers.trial"), 20)


def kill(pids: list[int]) -> None:
    assert pids
    for pid in pids:
        os.kill(pid, signal.SIGKILL)


def test_a_killed_trial_is_trained_again(service):
    job = begin(service)
    kill(service.processes("workers.trial"))
    end(service, job)
    assert service.query("SELECT 1 FROM events WHERE job_id = :job AND kind = 'given back'", job=job)


def test_a_killed_child_of_a_worker_leaves_its_trial_to_another(service):
    job = begin(service)
    children = [pid for pid in service.processes("-Q train") if _parent(pid) in service.processes("-Q train")]
    kill(children)
    end(service, job)
    assert service.query("SELECT 1 FROM events WHERE job_id = :job AND kind = 'reaped'", job=job)


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])


def test_a_killed_worker_is_started_again_by_its_host(service):
    job = begin(service)
    mains = [pid for pid in service.processes("-Q train") if _parent(pid) not in service.processes("-Q train")]
    kill(mains)
    end(service, job)


def test_a_killed_host_takes_its_workers_with_it(service):
    job = begin(service)
    kill(service.processes("workers.host"))
    wait_for(lambda: not service.processes("celery") and not service.processes("workers.trial"), 40)
    service.worker()
    end(service, job)


def test_a_killed_scheduler_is_replaced_by_any_other(service):
    job = begin(service)
    kill(service.processes("workers.scheduler"))
    service.scheduler()
    end(service, job)


def test_redis_restarted(service):
    job = begin(service)
    service.redis.stop()
    service.redis.start()
    end(service, job)


def test_redis_flushed(service):
    job = begin(service)
    service.redis.flush()
    end(service, job)


def test_redis_gone_for_a_while(service):
    job = begin(service)
    service.redis.stop()
    time.sleep(float(os.environ.get("REWARDSMITH_TEST_OUTAGE", "6")))
    service.redis.start()
    end(service, job)


def test_postgres_restarted(service):
    job = begin(service)
    service.postgres.stop("fast")
    time.sleep(1)
    service.postgres.start()
    end(service, job)


def test_every_message_many_times(service, monkeypatch):
    stop = threading.Event()
    job = submit(service)
    monkeypatch.setattr("workers.celery_app.app.conf.broker_url", service.redis.url)

    def repeat() -> None:
        while not stop.wait(0.1):
            send([(i, k) for i, k in service.query("SELECT id, kind FROM work_items WHERE job_id = :job", job=job)] * 2)

    doubling = threading.Thread(target=repeat)
    doubling.start()
    try:
        end(service, job)
    finally:
        stop.set()
        doubling.join()
    assert service.query("SELECT max(attempt) FROM work_items WHERE job_id = :job", job=job) == [(1,)]


def test_two_schedulers_at_once(service):
    second = service.scheduler()
    job = begin(service)
    end(service, job)
    second.terminate()
    second.wait(20)
    assert service.query("SELECT max(attempt) FROM work_items WHERE job_id = :job", job=job) == [(1,)]


def test_a_host_that_slept_through_its_lease_is_refused(service):
    job = begin(service)
    asleep = [*service.processes("workers.host"), *service.processes("celery"), *service.processes("workers.trial")]
    for pid in asleep:
        os.kill(pid, signal.SIGSTOP)
    owners = {o for (o,) in service.query("SELECT owner FROM work_items WHERE state = 'leased'")}
    other = service.worker()
    done = "SELECT count(*) FROM work_items WHERE job_id = :job AND state = 'done'"
    before = service.query(done, job=job)[0][0]
    try:
        wait_for(lambda: service.query(done, job=job)[0][0] > before, 60)
    finally:
        for pid in asleep:
            os.kill(pid, signal.SIGCONT)
    end(service, job)
    late = service.query("SELECT owner FROM work_items WHERE job_id = :job AND state = 'done'", job=job)
    assert owners and not owners & {o for (o,) in late}, "a result of the sleeper was taken"
    assert service.query("SELECT 1 FROM events WHERE job_id = :job AND text = 'its lease lapsed'", job=job)
    other.terminate()
    other.wait(40)

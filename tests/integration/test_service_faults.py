"""Faults while a job of eight trials runs. After each one the job is complete and no process is left.

One service goes through all faults, so the traces of one must not prevent the next job's end. Faults that can also
happen to the local executor are tested on both.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable

import pytest
from eight_trials import begin, end, events, go_on, state_of, stub_path
from local_executor import LocalExecutor
from service import Service, full_disk, parent_of, processes_of, serving, wait_for

from rewardsmith.engine.jobs.lifecycle import cancel_job
from rewardsmith.engine.jobs.service import halt_job
from workers.delivery import send

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def service(tmp_path_factory, redis_server, postgres_server):
    folder = tmp_path_factory.mktemp("faults")
    with serving(folder, redis_server, postgres_server, PYTHONPATH=stub_path()) as made:
        made.worker()
        made.scheduler()
        yield made


@pytest.fixture(scope="module")
def local(tmp_path_factory):
    made = LocalExecutor(tmp_path_factory.mktemp("local"))
    yield made
    made.end()
    assert not processes_of(made.folder)


@pytest.fixture(params=["local", "service"])
def executor(request) -> LocalExecutor | Service:
    """The local executor and the service in turn: both must pass the test."""
    return request.getfixturevalue(request.param)


@pytest.fixture(autouse=True)
def _jobs_are_cleared(request):
    """Remove the jobs of a failed test, which would hold the slots of the next one."""
    executors = [request.getfixturevalue(name) for name in ("executor", "service") if name in request.fixturenames]
    yield
    for executor in executors:
        _clear(executor)


def _clear(executor: LocalExecutor | Service) -> None:
    go_on(executor)
    for (job,) in executor.query("SELECT id FROM jobs WHERE state IN ('running', 'paused')"):
        cancel_job(executor.context, job)


def kill(executor: LocalExecutor | Service, choose: Callable[[], list[int]]) -> None:
    """kill -9; the trials under way must end by themselves before they are let go on, or they might be quicker.

    Trials are looked up before those who die are: one that begins in between may die too, but is not waited for.
    """
    held = executor.trials()
    pids = choose()
    assert pids
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not {*held} & {*executor.trials()})


def test_a_killed_trial_is_trained_again(executor):
    job = begin(executor)
    kill(executor, executor.trials)
    end(executor, job)
    assert events(executor, job, "given back")


def test_a_cancelled_job_ends_its_trials_and_writes_nothing_more(executor):
    job = begin(executor)
    cancel_job(executor.context, job)
    written = (
        "SELECT count(*), max(p.steps) FROM curve_points p JOIN trials t ON t.id = p.trial_id WHERE t.job_id = :job"
    )
    before = executor.query(written, job=job)
    wait_for(lambda: not executor.trials(), 20)
    go_on(executor)
    assert executor.query(written, job=job) == before
    states = {state for (state,) in executor.query("SELECT state FROM work_items WHERE job_id = :job", job=job)}
    assert "cancelled" in states and states <= {"cancelled", "done"}


def test_a_paused_job_is_resumed_without_lost_attempts(executor):
    job = begin(executor)
    halt_job(executor.context, job)
    wait_for(lambda: not executor.trials(), 20)
    assert state_of(executor, job) == "paused"
    executor.resume(job)
    end(executor, job)
    assert events(executor, job, "requeued", "given back") == []


def test_a_full_disk_in_a_trial_is_reported(service):
    with full_disk(service.folder) as free:
        job = service.submit()
        wait_for(lambda: events(service, job, "given back"))
        free()
        end(service, job)


def test_a_killed_warm_parent_takes_its_trials_with_it_and_has_a_successor(service):
    job = begin(service)
    kill(service, lambda: warm_parents(service))
    end(service, job)
    assert events(service, job, "given back")


@pytest.mark.slow
def test_a_killed_child_of_a_worker_leaves_its_trial_to_another(service):
    job = begin(service)
    kill(service, lambda: slots(service)[1])
    end(service, job)
    assert events(service, job, "requeued")


def warm_parents(service: Service) -> list[int]:
    warm = service.processes("workers.warm")
    return [pid for pid in warm if parent_of(pid) not in warm]


def slots(service: Service) -> tuple[list[int], list[int]]:
    """The training queue's Celery processes: (main ones, their children)."""
    found = service.processes("-Q train")
    children = [pid for pid in found if parent_of(pid) in found]
    return [pid for pid in found if pid not in children], children


def test_a_killed_worker_is_started_again_by_its_host(service):
    job = begin(service)
    kill(service, lambda: slots(service)[0])
    end(service, job)


@pytest.mark.slow
def test_a_killed_host_takes_its_workers_with_it(service):
    job = begin(service)
    kill(service, lambda: service.processes("workers.host"))
    wait_for(lambda: not service.processes("celery") and not service.trials(), 40)
    service.worker()
    end(service, job)


def test_a_killed_scheduler_is_replaced_by_any_other(service):
    job = begin(service)
    os.kill(service.processes("workers.scheduler")[0], signal.SIGKILL)
    service.scheduler()
    end(service, job)


def test_jobs_survive_a_restart_of_redis(service):
    job = begin(service)
    service.redis.stop()
    service.redis.start()
    end(service, job)


@pytest.mark.slow
def test_jobs_survive_a_flush_of_redis(service):
    job = begin(service)
    service.redis.flush()
    end(service, job)


def test_jobs_survive_an_outage_of_redis(service):
    job = begin(service)
    service.redis.stop()
    go_on(service)  # trials end and are recorded while the host sleeps
    time.sleep(4)
    service.redis.start()
    end(service, job)


def test_jobs_survive_a_restart_of_postgres(service):
    job = begin(service)
    service.postgres.stop("fast")
    time.sleep(1)
    service.postgres.start()
    end(service, job)


def test_repeated_messages_repeat_no_work(service, monkeypatch):
    stop = threading.Event()
    job = service.submit()
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
    assert events(service, job, "requeued", "given back") == []


def test_two_schedulers_do_no_work_twice(service):
    second = service.scheduler()
    job = begin(service)
    end(service, job)
    second.terminate()
    second.wait(20)
    assert events(service, job, "requeued", "given back") == []


@pytest.mark.slow
def test_two_processes_that_requeue_leases_do_no_work_twice(service):
    second = service.scheduler()
    job = begin(service)
    kill(service, lambda: slots(service)[1])
    end(service, job)
    second.terminate()
    second.wait(20)
    assert events(service, job, "requeued")


@pytest.mark.slow
def test_results_of_a_host_whose_lease_expired_are_refused(service):
    job = begin(service)
    asleep = [*service.processes("workers.host"), *service.processes("celery"), *service.processes("workers.warm")]
    for pid in asleep:
        os.kill(pid, signal.SIGSTOP)
    held = "SELECT owner FROM work_items WHERE state = 'leased'"
    owners = {o for (o,) in service.query(held)}
    other = service.worker()
    done = "SELECT count(*) FROM work_items WHERE job_id = :job AND state = 'done'"
    before = service.query(done, job=job)[0][0]
    go_on(service)
    try:
        # A host that wakes before its leases expire may still finish its items.
        wait_for(lambda: not owners & {o for (o,) in service.query(held)}, 60)
        wait_for(lambda: service.query(done, job=job)[0][0] > before, 60)
    finally:
        for pid in asleep:
            os.kill(pid, signal.SIGCONT)
    end(service, job)
    late = service.query("SELECT owner FROM work_items WHERE job_id = :job AND state = 'done'", job=job)
    assert owners and not owners & {o for (o,) in late}, "a result of the sleeper was taken"
    assert "its lease lapsed" in events(service, job, "requeued")
    other.terminate()
    other.wait(40)

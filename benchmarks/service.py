"""The service under load: 200 jobs at once, one minute without Redis, 100,000 candidates.

.venv/bin/python -m benchmarks.service

Takes about 5 minutes. Writes results/service.md. Redis and Postgres are started on free ports as in the tests. Trials
are stubs that take no time (tests/integration/stub), so the figures are those of the queue.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, insert, text

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).with_name("results")
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "integration")]

from eight_trials import begin, end, go_on, stub_path  # noqa: E402
from service import Postgres, Redis, Service, serving  # noqa: E402

from rewardsmith.config import settings  # noqa: E402
from rewardsmith.engine.context import Context  # noqa: E402
from rewardsmith.engine.jobs.service import submit_job, warm_up  # noqa: E402
from rewardsmith.spec import read_spec  # noqa: E402
from rewardsmith.storage.database import open_database, read, upgrade  # noqa: E402
from rewardsmith.storage.schema import candidates, jobs, now, trials  # noqa: E402

REWARD = "def reward(prev, action, state, memory):\n    return 1.0\n"
SPEC = {"task": "CartPole-v1", "method": "free", "model": "none", "iterations": 1, "samples": 1, "steps": 1000,
        "rungs": [1.0], "target": None, "confirm": 0}  # fmt: skip
ITEMS = 3  # a job's baseline, check and training
CANDIDATES = 100_000
PER_JOB = 100


def submit_all(service: Service, count: int, clients: int) -> list[float]:
    """Submit from `clients` processes at once, as users' machines do; seconds of each call."""
    together = get_context("spawn")
    ready, taken = together.Barrier(clients), together.Queue()
    asked = (str(service.context.settings.url), count // clients, ready, taken)
    processes = [together.Process(target=_client, args=asked) for _ in range(clients)]
    for process in processes:
        process.start()
    found = [taken.get(timeout=300) for _ in range(clients)]
    for process in processes:
        process.join()
    return [seconds for each in found for seconds in each]


def _client(url: str, share: int, ready: Any, taken: Any) -> None:
    import yaml  # noqa: F401 - `submit` reads its spec by it, and a task's description

    context = Context(open_database(url), settings())
    warm_up()
    spec = read_spec(SPEC)
    with read(context.database):  # imports and the connection are not part of the call
        ready.wait()
    found = []
    for _ in range(share):
        began = time.perf_counter()
        submit_job(context, spec, REWARD, owner="load")
        found.append(time.perf_counter() - began)
    taken.put(found)


def load(service: Service, count: int, clients: int, workers: int) -> list[str]:
    """Rows of the report: lost and doubled items, duration of submit calls, overhead per work item."""
    warm_up()
    submit_job(service.context, read_spec(SPEC), REWARD, owner="first")
    taken = submit_all(service, count, clients)
    for _ in range(workers):
        service.worker(slots=1)
    service.scheduler()
    done = "SELECT count(*) FROM work_items WHERE state = 'done'"
    while service.query(done)[0][0] == 0:
        time.sleep(0.2)
    began, first = time.monotonic(), service.query(done)[0][0]
    while service.query("SELECT count(*) FROM jobs WHERE state = 'running'")[0][0]:
        time.sleep(0.2)
        assert time.monotonic() - began < 900, service.log()[-3000:]
    seconds = time.monotonic() - began
    items = service.query("SELECT state, attempt, count(*) FROM work_items GROUP BY state, attempt")
    expected = (count + 1) * ITEMS
    doubled = service.log().count('"message": "begins"') - expected
    ends = service.query("SELECT state, count(*) FROM jobs GROUP BY state")
    each = 1000 * seconds / (expected - first)
    p95 = 1000 * statistics.quantiles(taken, n=20)[-1]
    return [
        f"| jobs submitted by {clients} client processes at once | {count} | |",
        f"| submit call, median / p95 | {1000 * statistics.median(taken):.0f} / {p95:.0f} ms | < 200 ms |",
        f"| work items: expected / done at the first attempt | {expected} / "
        f"{sum(n for state, attempt, n in items if (state, attempt) == ('done', 1))} | equal |",
        f"| work items begun more than once | {doubled} | 0 |",
        f"| jobs by state at the end | {', '.join(f'{n} {state}' for state, n in ends)} | all done |",
        f"| wall clock per work item, {workers} workers | {each:.0f} ms | < 50 ms |",
    ]


def outage(service: Service, seconds: float) -> str:
    """A row of the report: how a job of eight trials ended after `seconds` without Redis."""
    service.worker(slots=2)
    service.scheduler()
    job = begin(service)
    service.redis.stop()
    go_on(service)
    time.sleep(seconds)
    service.redis.start()
    back = time.monotonic()
    end(service, job, 120)  # every trial once, no process left, or it raises
    took = time.monotonic() - back
    return f"| {seconds:g} s without Redis while a job of 8 trials runs | done {took:.0f} s after its return | done |"


def fill(engine: Engine) -> str:
    """Insert 100,000 candidates in 1,000 jobs, each with a trial, and return the id of the middle job."""
    spec = read_spec(SPEC).model_dump(mode="json")
    count = CANDIDATES // PER_JOB
    names = [f"j{n:05d}" for n in range(count)]
    moment = now()
    with engine.begin() as connection:
        connection.execute(insert(jobs), [
            {"id": name, "task": SPEC["task"], "method": "free", "fingerprint": name, "spec": spec, "state": "done",
             "oracle_informed": False, "created_at": moment + timedelta(seconds=k), "active_seconds": 1.0,
             "owner": f"user{k % 20}", "best_candidate": f"{name}-1a0"}
            for k, name in enumerate(names)
        ])  # fmt: skip
        for name in names:
            ids = [f"{name}-1a{k}" for k in range(PER_JOB)]
            connection.execute(insert(candidates), [
                {"id": i, "job_id": name, "iteration": 1, "kind": "designed", "move": "new", "sample": k,
                 "parents": [], "source": REWARD, "source_hash": i, "reward": {}, "state": "trained",
                 "score": k / PER_JOB, "oracle_informed": False, "created_at": moment}
                for k, i in enumerate(ids)
            ])  # fmt: skip
            connection.execute(insert(trials), [
                {"job_id": name, "candidate_id": i, "purpose": "search", "seed": 0, "state": "done", "steps": 1000,
                 "success": k / PER_JOB} for k, i in enumerate(ids)
            ])  # fmt: skip
    with engine.connect() as connection:
        connection.execute(text("ANALYZE"))
        connection.commit()
    return names[count // 2]


def queries(engine: Engine, job: str) -> dict[str, float]:
    """Median milliseconds of the queries of `ls`, `show` and the leaderboard."""
    from rewardsmith.reporting import queries
    from rewardsmith.reporting.overview import read_overview
    from rewardsmith.storage import records

    listed = jobs.select().order_by(jobs.c.created_at.desc()).limit(100)
    board = text(
        "SELECT candidate, purpose, seeds, success FROM v_leaderboard WHERE job_id = :job AND success IS NOT NULL "
        "ORDER BY success DESC LIMIT 20"
    )
    asked: dict[str, Callable] = {
        "ls": lambda c: [records.Job(**row) for row in c.execute(listed).mappings()],
        "ls --owner": lambda c: c.execute(listed.where(jobs.c.owner == "user7")).all(),
        "show JOB": lambda c: read_overview(c, queries.find_job(c, job).id),
        "show CANDIDATE": lambda c: queries.find_candidate(c, f"{job}-1a7"),
        "leaderboard of a job": lambda c: c.execute(board, {"job": job}).all(),
    }
    found = {}
    for name, ask in asked.items():
        times = []
        for _ in range(5):
            began = time.perf_counter()
            with read(engine) as connection:
                ask(connection)
            times.append(1000 * (time.perf_counter() - began))
        found[name] = statistics.median(times)
    return found


def big(url: str) -> dict[str, float]:
    """Fill the database at `url` and measure its queries."""
    engine = open_database(url)
    try:
        return queries(engine, fill(engine))
    finally:
        engine.dispose()


def main() -> None:
    """Measure load, outage and queries, and write the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=200)
    parser.add_argument("--clients", type=int, default=20)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--outage", type=float, default=60.0, help="seconds without Redis")
    parser.add_argument("--note", default="", help="a remark for the results file, such as other load on the machine")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="service-") as folder:
        place = Path(folder)
        place.chmod(0o755)
        for name in ("postgres", "redis", "service", "outage"):
            (place / name).mkdir()
        postgres, redis = Postgres(place / "postgres"), Redis(place / "redis")
        postgres.start()
        redis.start()
        try:
            path = os.pathsep.join([stub_path(), str(ROOT)])
            settings = {"PYTHONPATH": path, "STUB_INSTANT": "1", "REWARDSMITH_LEASE_SECONDS": "60"}
            with serving(place / "service", redis, postgres, **settings) as service:
                lines = load(service, options.jobs, options.clients, options.workers)
            with serving(place / "outage", redis, postgres, PYTHONPATH=path) as service:
                lines.append(outage(service, options.outage))
            postgres.empty(migrate=False)
            from sqlalchemy import create_engine

            upgrade(create_engine(postgres.url))
            asked = {"SQLite": big(f"sqlite:///{place}/big.db"), "Postgres": big(postgres.url)}
        finally:
            redis.stop()
            postgres.stop()
    report = ["# The service under load", "", *([options.note, ""] if options.note else [])]
    report += ["| figure | measured | wanted |", "|---|---|---|", *lines, ""]
    report += [f"Queries with {CANDIDATES:,} candidates, median of 5, milliseconds (wanted: < 300):", ""]
    report += ["| query | " + " | ".join(asked) + " |", "|---|" + "---|" * len(asked)]
    report += [f"| {q} | " + " | ".join(f"{asked[d][q]:.0f}" for d in asked) + " |" for q in asked["SQLite"]]
    (RESULTS / "service.md").write_text("\n".join(report) + "\n")
    print("\n".join(report))


if __name__ == "__main__":
    main()

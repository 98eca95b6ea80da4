"""Processor time of idle processes (executor, screen, scheduler, worker), and their reaction times.

.venv/bin/python -m benchmarks.idle
.venv/bin/python -m benchmarks.idle --before ../before      # also the code of another checkout, measured first

Takes about 5 minutes per checkout. Writes results/idle.md.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import create_engine, text

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "integration"), str(ROOT / "tests" / "agents")]

from provider import Provider, Reply  # noqa: E402
from running import clean_environment  # noqa: E402
from service import Postgres, Redis, wait_for  # noqa: E402

RESULTS = Path(__file__).with_name("results")
SETTLE = 5.0
TIMES = 4
SPEC = {
    "task": "MiniGrid-Empty-5x5-v0", "method": "free", "iterations": 1, "samples": 1, "rungs": [1.0], "confirm": 0,
    "target": None, "verification": False, "training": {"eval_episodes": 10, "final_episodes": 10},
}  # fmt: skip
SUBMIT = """
import json, sys
from rewardsmith.config import settings
from rewardsmith.engine.jobs import lifecycle, service
from rewardsmith.engine.context import open_context
from rewardsmith.spec import read_spec
context = open_context(settings())
job = service.submit_job(context, read_spec(json.loads(sys.argv[1])))
lifecycle.pause_job(context, job, "not yet")
print(job)
"""


def seconds_used(pid: int) -> float:
    """Processor time of a process in seconds, with its threads and without its children."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def family(pid: int) -> list[int]:
    """Process ids of a process and of all its descendants."""
    found = [pid]
    for one in found:
        tasks = Path(f"/proc/{one}/task").iterdir()
        found += [int(child) for task in tasks for child in (task / "children").read_text().split()]
    return found


def share(seconds: float, *pids: int) -> float:
    """Percent of one core that the processes use together over `seconds`."""
    before, began = sum(map(seconds_used, pids)), time.monotonic()
    time.sleep(seconds)
    return 100 * (sum(map(seconds_used, pids)) - before) / (time.monotonic() - began)


def delay(change: Callable[[int], None], happened: Callable[[int], bool]) -> str:
    """Milliseconds from a committed change to its effect, as "median (slowest)" of TIMES changes."""
    taken = []
    for k in range(TIMES):
        change(k)
        began = time.monotonic()
        while not happened(k):
            time.sleep(0.001)
        taken.append(1000 * (time.monotonic() - began))
        time.sleep(1.3)  # no multiple of any process's polling interval
    return f"{statistics.median(taken):.0f} ({max(taken):.0f})"


@contextmanager
def started(tree: Path, folder: Path, *command: str, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """`python -m COMMAND` of a checkout, terminated at the end of the context."""
    env = {**clean_environment(), "PYTHONPATH": str(tree), **environment}
    with (folder / "output").open("ab") as output:
        process = subprocess.Popen([sys.executable, "-m", *command], cwd=folder, env=env, stdout=output, stderr=output)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def query(folder: Path, statement: str) -> list[tuple]:
    """Rows of the local database; commits what the statement changes."""
    try:
        with sqlite3.connect(folder / ".rewardsmith" / "rewardsmith.db", timeout=30) as connection:
            return connection.execute(statement).fetchall()
    except sqlite3.OperationalError:
        return []


@contextmanager
def local(tree: Path, moment: str, **spec: object) -> Iterator[tuple[Path, int, int]]:
    """A job under `run` once the query `moment` returns a row: its folder, and the ids of screen and executor."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "job.yaml").write_text(json.dumps({**SPEC, **spec}))
        command = ("rewardsmith.cli.main", "run", "--spec", "job.yaml", "--slots", "2")
        with started(tree, folder, *command, OPENAI_API_KEY="none") as run:
            wait_for(lambda: query(folder, moment), 300)
            (executor,) = [
                pid for pid in family(run.pid)
                if b"workers.local" in Path(f"/proc/{pid}/cmdline").read_bytes()
            ]  # fmt: skip
            time.sleep(SETTLE)
            yield folder, run.pid, executor
        end = time.monotonic() + 10.0
        while Path(f"/proc/{executor}").exists():
            if time.monotonic() > end:  # an older one waits for its call
                for pid in family(executor):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.1)


def waiting(tree: Path, seconds: float) -> dict[str, str]:
    """Figures of a job whose model does not answer."""
    moment = (
        "SELECT 1 WHERE EXISTS (SELECT 1 FROM work_items WHERE kind = 'baseline' AND state = 'done') "
        "AND EXISTS (SELECT 1 FROM llm_calls)"
    )
    with (
        Provider(Reply(delay_s=600.0)) as provider,
        local(tree, moment, model="openai/slow", api_base=provider.url, steps=4096) as (folder, run, executor),
    ):
        found = {
            "executor, a job waits for its model": f"{share(seconds, executor):.2f} %",
            "screen, a job waits for its model": f"{share(seconds, run):.2f} %",
        }

        def queue_one(k: int) -> None:
            same = "job_id, iteration, kind, candidate, seed, rung, attempt, payload, created_at"
            query(
                folder,
                f"INSERT INTO work_items (state, sample, {same}) SELECT 'queued', {k + 5}, {same} "
                "FROM work_items WHERE kind = 'design' AND sample = 0",
            )

        state = "SELECT 1 FROM work_items WHERE kind = 'design' AND state = 'leased' AND sample ="
        claimed = delay(queue_one, lambda k: bool(query(folder, f"{state} {k + 5}")))
    return {**found, "executor, from a queued item to its claim": f"{claimed} ms"}


def training(tree: Path, seconds: float) -> dict[str, str]:
    """Figures of a job that trains two trials."""
    with local(tree, "SELECT 1 FROM trials WHERE steps > 0", steps=30_000_000) as (_, run, executor):
        return {
            "executor, two trials train": f"{share(seconds, executor):.2f} %",
            "screen, two trials train": f"{share(seconds, run):.2f} %",
        }


def service(tree: Path, seconds: float) -> dict[str, str]:
    """Figures of a scheduler and a worker without work."""
    with tempfile.TemporaryDirectory(prefix="idle-") as place:
        folder = Path(place)
        folder.chmod(0o755)
        for name in ("postgres", "redis"):
            (folder / name).mkdir()
        postgres, redis = Postgres(folder / "postgres"), Redis(folder / "redis")
        postgres.start()
        redis.start()
        try:
            postgres.empty()
            env = {"REWARDSMITH_DATABASE_URL": postgres.url, "REWARDSMITH_BROKER_URL": redis.url}
            return _service(tree, folder, create_engine(postgres.url), seconds, env)
        finally:
            redis.stop()
            postgres.stop()


def _service(tree: Path, folder: Path, engine, seconds: float, env: dict[str, str]) -> dict[str, str]:
    def ask(statement: str) -> bool:
        with engine.begin() as connection:
            found = connection.execute(text(statement))
            return found.returns_rows and bool(found.scalar())

    asked = json.dumps({**SPEC, "steps": 4096})
    whole = {**clean_environment(), "PYTHONPATH": str(tree), **env}
    subprocess.run([sys.executable, "-c", SUBMIT, asked], cwd=folder, env=whole, check=True, capture_output=True)
    with started(tree, folder, "workers.scheduler", **env) as scheduler:
        time.sleep(SETTLE)
        found = {"scheduler, no job": f"{share(seconds, scheduler.pid):.2f} %"}

        def begin(_: int) -> None:
            ask("UPDATE jobs SET state = 'paused'")
            ask("UPDATE work_items SET notified_at = NULL")
            time.sleep(1.1)
            ask("UPDATE jobs SET state = 'running'")

        heard = delay(begin, lambda _: ask("SELECT bool_or(notified_at IS NOT NULL) FROM work_items"))
        found["scheduler, a job runs, no worker"] = f"{share(seconds, scheduler.pid):.2f} %"
        ask("UPDATE jobs SET state = 'paused'")
        with started(tree, folder, "workers.host", **env) as host:
            wait_for(lambda: len(family(host.pid)) > 3)
            time.sleep(3 * SETTLE)
            found["worker host with its processes, no job"] = f"{share(seconds, *family(host.pid)):.2f} %"
            found["scheduler beside it"] = f"{share(seconds, scheduler.pid):.2f} %"
    return {**found, "scheduler, from a job that runs to its notification": f"{heard} ms"}


def main() -> None:
    """Measure the chosen parts on each checkout, and write the table after each part."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", help="waiting, training, service; default: all")
    parser.add_argument("--before", type=Path, help="another checkout, measured first")
    parser.add_argument("--seconds", type=float, default=30.0, help="duration of each measurement of processor time")
    parser.add_argument("--note", default="", help="a remark for the results file, such as other load on the machine")
    options = parser.parse_args()
    trees = {"before": options.before, "after": ROOT} if options.before else {"measured": ROOT}
    rows: dict[str, dict[str, str]] = {}
    for part in (p for p in (waiting, training, service) if p.__name__ in (options.parts or [p.__name__])):
        for name, tree in trees.items():
            for figure, value in part(tree.resolve(), options.seconds).items():
                rows.setdefault(figure, {})[name] = value
                print(name, figure, value, flush=True)
        write(rows, list(trees), options)


def write(rows: dict[str, dict[str, str]], trees: list[str], options: argparse.Namespace) -> None:
    """Write the figures measured so far to results/idle.md."""
    report = ["# What waiting costs", "", *([options.note, ""] if options.note else [])]
    report += [
        f"Percent of one core over {options.seconds:g} s, processor time by wall clock; milliseconds as median "
        f"(slowest) of {TIMES}.", "",
        "| figure | " + " | ".join(trees) + " |", "|---|" + "---|" * len(trees),
    ]  # fmt: skip
    report += [f"| {figure} | " + " | ".join(found.get(n, "-") for n in trees) + " |" for figure, found in rows.items()]
    (RESULTS / "idle.md").write_text("\n".join(report) + "\n")


if __name__ == "__main__":
    main()

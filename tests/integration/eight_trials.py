"""A job of eight trials and a baseline without training (see stub/), and the conditions that hold at its end."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol

from service import wait_for

from rewardsmith.engine.context import Context

STUB = Path(__file__).with_name("stub")
SPEC = {
    "task": "CartPole-v1",
    "method": "free",
    "model": "none",
    "iterations": 1,
    "samples": 1,
    "steps": 1_000_000,
    "rungs": [0.5, 1.0],
    "target": None,
    "seeds": 2,
    "confirm": 2,
}
REWARD = "def reward(prev, action, state, memory):\n    return 1.0\n"
TRIALS = 1 + 2 * 2 + 2 * 2  # baseline; two rungs of two seeds; two arms of two seeds


class Executor(Protocol):
    """The processes that work on jobs: the service, or one local executor."""

    folder: Path

    def submit(self) -> str:
        """Create a job and return its id."""
        ...

    @property
    def context(self) -> Context:
        """The database and settings."""
        ...

    def query(self, statement: str, **values: object) -> list:
        """Rows of the database."""
        ...

    def trials(self) -> list[int]:
        """Ids of the processes that train."""
        ...

    def log(self) -> str:
        """Output of all processes."""
        ...


def stub_path() -> str:
    """A PYTHONPATH with the stub before everything else."""
    return os.pathsep.join([str(STUB), *([os.environ["PYTHONPATH"]] if "PYTHONPATH" in os.environ else [])])


def begin(executor: Executor) -> str:
    """Create a job and wait until it trains; its trials are held until `go_on`."""
    (executor.folder / "hold").touch()
    job = executor.submit()
    wait_for(lambda: is_training(executor, job), 120)
    return job


def go_on(executor: Executor) -> None:
    """Release the held trials."""
    (executor.folder / "hold").unlink(missing_ok=True)


def state_of(executor: Executor, job: str) -> str:
    return executor.query("SELECT state FROM jobs WHERE id = :job", job=job)[0][0]


def is_training(executor: Executor, job: str) -> bool:
    """Whether a trial of the job has begun to write."""
    found = executor.query(
        "SELECT count(*) FROM work_items w JOIN trials t ON t.candidate_id = w.candidate AND t.seed = w.seed "
        "WHERE w.job_id = :job AND w.state = 'leased' AND t.state = 'running'",
        job=job,
    )
    return found[0][0] > 0


def events(executor: Executor, job: str, *kinds: str) -> list[str]:
    """The texts of a job's events of these kinds."""
    found = executor.query("SELECT kind, text FROM events WHERE job_id = :job", job=job)
    return [text for kind, text in found if kind in kinds]


def end(executor: Executor, job: str, seconds: float = 180) -> None:
    """Wait for the job's end; assert that all items are done, each trial is recorded once, and no process is left."""
    go_on(executor)
    try:
        wait_for(lambda: state_of(executor, job) != "running", seconds)
    except AssertionError:
        items = executor.query("SELECT id, kind, state, attempt, owner FROM work_items WHERE job_id = :job", job=job)
        raise AssertionError(f"{items}\n{executor.log()[-4000:]}") from None
    assert state_of(executor, job) == "done"
    items = executor.query("SELECT kind, state, attempt FROM work_items WHERE job_id = :job", job=job)
    assert {state for _, state, _ in items} == {"done"}
    assert sum(kind in ("baseline", "train", "confirm") for kind, _, _ in items) == TRIALS
    # Every second attempt follows an event that requeued the item.
    assert sum(attempt - 1 for _, _, attempt in items) == len(events(executor, job, "requeued", "given back"))
    # A trial keeps one row over its rungs: two searched seeds, the baseline's, and the claim's four.
    rows = executor.query("SELECT state, steps FROM trials WHERE job_id = :job", job=job)
    assert len(rows) == 7 and sum(tuple(row) == ("done", SPEC["steps"]) for row in rows) == 6
    curves = executor.query(
        "SELECT t.id, count(*), count(DISTINCT p.steps) FROM trials t JOIN curve_points p ON p.trial_id = t.id "
        "WHERE t.job_id = :job GROUP BY t.id",
        job=job,
    )
    assert len(curves) == 7 and all(points == distinct for _, points, distinct in curves)
    policies = executor.query("SELECT trial_id, path FROM artifacts WHERE job_id = :job AND kind = 'policy'", job=job)
    assert len(policies) == len({trial for trial, _ in policies}) == 6
    assert all(executor.context.store.holds(key) for _, key in policies)
    wait_for(lambda: not executor.trials(), 20)

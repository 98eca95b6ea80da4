"""The local executor as the tests of both executors see it: a job in a SQLite file, `python -m workers.local`."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from eight_trials import REWARD, SPEC, stub_path
from running import clean_environment
from service import trials_of
from sqlalchemy import text

from rewardsmith.config import Settings
from rewardsmith.engine.context import Context, open_context
from rewardsmith.engine.jobs import lifecycle
from rewardsmith.spec import read_spec


@dataclass
class LocalExecutor:
    """Jobs of one folder, each worked on by a process of its own."""

    folder: Path
    running: list[subprocess.Popen] = field(default_factory=list)

    @cached_property
    def context(self) -> Context:
        return open_context(Settings(home=self.folder))

    def submit(self) -> str:
        job = lifecycle.create_job(self.context, read_spec(SPEC), REWARD)
        self._start(job)
        return job

    def resume(self, job: str) -> None:
        """Resume the job, as the same command does."""
        self.running[-1].wait(20)
        lifecycle.resume_job(self.context, job)
        self._start(job)

    def query(self, statement: str, **values: object) -> list:
        with self.context.database.connect() as connection:
            return [tuple(row) for row in connection.execute(text(statement), values)]

    def trials(self) -> list[int]:
        return trials_of(self.folder)

    def log(self) -> str:
        return (self.folder / "executor.log").read_text(errors="replace")

    def _start(self, job: str) -> None:
        environment = {**clean_environment(), "PYTHONPATH": stub_path(), "REWARDSMITH_HOME": str(self.folder)}
        command = [sys.executable, "-P", "-m", "workers.local", job, "--slots", "2"]
        with (self.folder / "executor.log").open("ab") as log:
            process = subprocess.Popen(command, cwd=self.folder, env=environment, stdout=log, stderr=log)
        self.running.append(process)

    def end(self) -> None:
        """Stop all processes that still run."""
        for process in self.running:
            process.terminate()
            process.wait(40)
        self.context.database.dispose()

"""A small finished job, made once per test run by the real executor on a tiny budget."""

from __future__ import annotations

import compileall
import fcntl
import os
import shutil
import subprocess
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import settings
from running import FEW_EPISODES, in_process, plant_modules, rewardsmith

# The first example of a test includes imports and compilation, so examples have no deadline.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")


def pytest_configure(config) -> None:
    """Compile the package once. Under PYTHONDONTWRITEBYTECODE, each process of a test would compile it again."""
    if not hasattr(config, "workerinput"):
        for package in ("rewardsmith", "sandbox", "workers"):
            compileall.compile_dir(Path(__file__).parents[1] / package, quiet=2)


def pytest_terminal_summary(terminalreporter) -> None:
    """Report in the last lines the tests that were skipped because a server is not installed, and how to install it."""
    skipped = terminalreporter.stats.get("skipped", [])
    reasons = Counter(report.longrepr[2].removeprefix("Skipped: ") for report in skipped)
    for reason, count in reasons.items():
        if "is not installed" in reason:
            terminalreporter.write_line(f"{count} tests were skipped: {reason}", yellow=True)


LONG = [
    *("integration/test_kill", "integration/test_model_job", "integration/test_service_faults", "cli/test_commands"),
    *("training/test_trial", "sandbox/test_sandbox_corpus", "methods/test_method_jobs", "integration/test_full_disk"),
    *("integration/test_service_job", "methods/test_ulps", "agents/test_synth", "integration/test_databases"),
]
"""Test files that take long, the longest first."""


@pytest.hookimpl(trylast=True)  # after `-m` has deselected tests
def pytest_collection_modifyitems(config, items) -> None:
    """Deal the long files to the processes of a parallel run, first in each share; short tests fill the rest.

    Each process begins with an equal number of tests, and takes tests from others when it has none left.
    """
    count = getattr(config, "workerinput", {}).get("workercount", 1)
    names = [next((k for k, name in enumerate(LONG) if name in item.nodeid), len(LONG)) for item in items]
    order = sorted(range(len(items)), key=lambda k: names[k])
    short = [items[k] for k in order if names[k] == len(LONG)]
    size, dealt = len(items) / count, []
    for share in range(count):
        turns = {k for k in range(len(LONG)) if (k if (k // count) % 2 == 0 else -1 - k) % count == share}
        dealt += [items[k] for k in order if names[k] in turns]
        missing = max(0, round(size * (share + 1)) - len(dealt))
        dealt, short = dealt + short[:missing], short[missing:]
    items[:] = dealt + short


@dataclass(frozen=True)
class SmallJob:
    """A folder in which `rewardsmith` has completed one job, and the output of that command.

    imported: names of the planted modules in that folder which a process of the job has imported; there must be none.
    """

    folder: Path
    output: str
    imported: str

    @property
    def temporary(self) -> Path:
        """The temporary folder of the job's processes."""
        return self.folder / "temporary"

    def run(self, *arguments: str, **options) -> subprocess.CompletedProcess:
        """Run `rewardsmith` in the folder, within this process."""
        return in_process(self.folder, *arguments, **options)


SMALL = [
    *("run", "--task", "MiniGrid-DoorKey-5x5-v0", "--iterations", "1", "--samples", "2", "--slots", "2"),
    *("--steps", "10000", "--confirm", "2", "--claim-layouts", "4", "--target", "0.99", *FEW_EPISODES),
]


PLANTED_KEY = {"OPENAI_API_KEY": "sk-planted-1"}


@pytest.fixture(scope="session")
def small_job(tmp_path_factory) -> SmallJob:
    """A copy of a small finished job; the first process that needs it runs the job, the others wait."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    job_folder, output_file = shared / "small_job_made", shared / "small_job_said"
    planted_file = shared / "small_job_imported"
    with (shared / "small_job.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not output_file.exists():
            shutil.rmtree(job_folder, ignore_errors=True)
            (job_folder / "temporary").mkdir(parents=True)
            planted = plant_modules(job_folder, planted_file)
            ran = rewardsmith(job_folder, *SMALL, env={"TMPDIR": str(job_folder / "temporary"), **PLANTED_KEY})
            assert ran.returncode == 0, ran.stderr
            for path in planted:
                path.unlink()
            output_file.write_text(ran.stdout + ran.stderr)
    folder = tmp_path_factory.mktemp("small_job")
    shutil.copytree(job_folder, folder, dirs_exist_ok=True)
    return SmallJob(folder, output_file.read_text(), planted_file.read_text() if planted_file.exists() else "")

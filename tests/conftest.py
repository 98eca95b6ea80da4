"""A small finished job, made once per test process by the real executor on a tiny budget."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class SmallJob:
    """A folder in which `rewardsmith` has run one job to its end."""

    folder: Path
    output: str

    def run(self, *arguments: str, **options) -> subprocess.CompletedProcess:
        """Run `rewardsmith` there."""
        return rewardsmith(self.folder, *arguments, **options)


def rewardsmith(folder: Path, *arguments: str, timeout: float = 240, env: dict | None = None):
    """Run the command as a user would, in `folder`."""
    return subprocess.run(
        [sys.executable, "-m", "rewardsmith.cli.main", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=timeout,
        env={**clean_environment(), **(env or {})},
    )


def clean_environment() -> dict[str, str]:
    """This process's environment without settings of ours."""
    return {k: v for k, v in os.environ.items() if not k.startswith("REWARDSMITH_HOME")}


SMALL = [
    *("run", "--task", "MiniGrid-DoorKey-5x5-v0", "--iterations", "1", "--samples", "2", "--slots", "2"),
    *("--steps", "60000", "--confirm", "2", "--target", "0.99"),
]


@pytest.fixture(scope="session")
def small_job(tmp_path_factory) -> SmallJob:
    folder = tmp_path_factory.mktemp("small_job")
    ran = rewardsmith(folder, *SMALL)
    assert ran.returncode == 0, ran.stderr
    return SmallJob(folder, ran.stdout + ran.stderr)

"""A small finished job, made once per test process by the real executor on a tiny budget."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import settings
from running import FEW_EPISODES, rewardsmith

# The first example of a test pays for imports and compilation.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")


@dataclass(frozen=True)
class SmallJob:
    """A folder in which `rewardsmith` has run one job to its end."""

    folder: Path
    output: str

    def run(self, *arguments: str, **options) -> subprocess.CompletedProcess:
        """Run `rewardsmith` there."""
        return rewardsmith(self.folder, *arguments, **options)


SMALL = [
    *("run", "--task", "MiniGrid-DoorKey-5x5-v0", "--iterations", "1", "--samples", "2", "--slots", "2"),
    *("--steps", "60000", "--confirm", "2", "--target", "0.99", *FEW_EPISODES),
]


@pytest.fixture(scope="session")
def small_job(tmp_path_factory) -> SmallJob:
    folder = tmp_path_factory.mktemp("small_job")
    ran = rewardsmith(folder, *SMALL)
    assert ran.returncode == 0, ran.stderr
    return SmallJob(folder, ran.stdout + ran.stderr)

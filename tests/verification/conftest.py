"""Tasks with small pools, which load quickly."""

from __future__ import annotations

from functools import lru_cache

import pytest

from rewardsmith.tasks.minigrid.compiled import CompiledTask


@lru_cache(maxsize=16)
def small(task_id: str) -> CompiledTask:
    return CompiledTask(task_id, {"train": 6, "select": 4, "claim": 4})


@pytest.fixture(scope="session")
def small_task():
    """A task by id, with six training layouts."""
    return small

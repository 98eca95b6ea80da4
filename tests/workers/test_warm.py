"""The warm parent that forks trials survives faults of its children."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest
from running import clean_environment

from workers.warm import WarmParent

STUB = Path(__file__).parents[1] / "integration" / "stub"
ORDER = ("CartPole-v1", ["1", "me", "1"])


@pytest.fixture
def environment(tmp_path) -> dict[str, str]:
    """The environment of a trial without a database."""
    return {
        **clean_environment(),
        "PYTHONPATH": f"{STUB}:{Path(__file__).parents[2]}",
        "REWARDSMITH_HOME": str(tmp_path),
    }


@pytest.fixture
def parent(environment):
    made = WarmParent(environment)
    yield made
    made.close()


def children(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def test_a_child_that_cannot_begin_ends_and_the_next_one_is_forked(parent, environment, tmp_path):
    failed = parent.launch(*ORDER, environment, tmp_path / "no such folder" / "log")
    assert failed.wait(30) == 1
    log = tmp_path / "log"
    second = parent.launch(*ORDER, environment, log)
    assert second.wait(30) == 1 and "There is no rewardsmith database" in log.read_text()
    assert second.pid != failed.pid and children(parent._process.pid) == []


def test_a_killed_child_is_distinguished_from_a_failed_one(parent, environment, tmp_path):
    away = {**environment, "REWARDSMITH_DATABASE_URL": "postgresql+psycopg://nobody@127.0.0.1:1/nothing"}
    child = parent.launch(*ORDER, away, tmp_path / "log")  # the child waits for its database
    with pytest.raises(subprocess.TimeoutExpired):
        child.wait(0.3)
    os.kill(child.pid, signal.SIGKILL)
    assert child.wait(30) == -signal.SIGKILL


def test_a_killed_parent_takes_its_children_along_and_is_replaced(parent, environment, tmp_path):
    away = {**environment, "REWARDSMITH_DATABASE_URL": "postgresql+psycopg://nobody@127.0.0.1:1/nothing"}
    child = parent.launch(*ORDER, away, tmp_path / "log")
    os.kill(parent._process.pid, signal.SIGKILL)
    assert child.wait(30) == -signal.SIGKILL
    assert parent.launch(*ORDER, environment, tmp_path / "log").wait(30) == 1


@pytest.mark.parametrize("task", ["CartPole-v1", "no such task"])
def test_a_failing_preload_raises_nothing(monkeypatch, task):
    from rewardsmith.engine.items.train import preload
    from rewardsmith.training import trial

    def broken(_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(trial, "rehearse", broken)
    preload(task)

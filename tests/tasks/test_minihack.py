"""MiniHack's tasks, in the virtual environment that `make minihack-env` builds."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

from rewardsmith.tasks import get_task

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("minihack") is None, reason="minihack is not installed here: make test-minihack"
)

TASKS = {
    "MiniHack-KeyRoom-S5-v0": "apply",
    "MiniHack-MultiRoom-N2-v0": "ne",
    "MiniHack-Corridor-R2-v0": "search",
    "MiniHack-Quest-Easy-v0": "far_n",
}


@pytest.mark.parametrize("name", TASKS)
def test_a_task_of_minihack_names_status_and_keys_and_plays(name):
    task = get_task(name)
    assert TASKS[name] in task.actions.names and "hitpoints" in task.schema
    batch, rows = task.batch(2, "train"), task.schema.rows(2)
    batch.reset(0)
    for _ in range(5):
        batch.step(task.actions.sample(np.random.default_rng(0), 2))
    batch.state_rows(rows)
    assert np.isfinite(rows).all() and "message" in task.interface().text
    batch.close()


def test_reaching_the_stairs_is_a_success():
    """In an empty room, walking towards the stairs that are seen takes a few steps."""
    task = get_task("MiniHack-Room-5x5-v0")
    names = task.actions.names
    across, down = {-1: "w", 0: "", 1: "e"}, {-1: "n", 0: "", 1: "s"}
    batch, rows = task.batch(1, "train"), task.schema.rows(1)
    batch.reset(0)
    column = task.schema.field("nearest_stairs_down").column
    for _ in range(8):
        batch.state_rows(rows)
        right, under = np.sign(rows[0, column : column + 2]).astype(int).tolist()
        batch.step(np.array([names.index(down[under] + across[right])]))
        if batch.terminated[0]:
            break
    assert batch.success[0] and batch.terminated[0]
    batch.close()


def test_what_a_function_reads_of_the_observation_is_not_training_only():
    schema = get_task("MiniHack-Room-5x5-v0").schema
    assert not schema.field("nearest_door").training_only

"""Policies of earlier rounds, which later checks play against a reward."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sqlalchemy import select

from rewardsmith.api import design
from rewardsmith.config import Settings
from rewardsmith.engine.context import open_context
from rewardsmith.engine.items.earlier_policies import earlier_policies
from rewardsmith.engine.search.snapshot import read_snapshot
from rewardsmith.storage.schema import jobs
from rewardsmith.tasks import get_task
from rewardsmith.verification.layouts import uses_reference


@pytest.mark.slow
def test_a_later_check_plays_the_policies_of_earlier_rounds(tmp_path):
    few = {"eval_episodes": 10, "final_episodes": 10}
    task: Any = get_task("MountainCar-v0")
    assert uses_reference(task)
    ended = design(
        "MountainCar-v0", method="free", home=tmp_path, iterations=1, samples=1, steps=4_000, rungs=[1.0], confirm=1,
        training=few, train_anyway=True,
    )  # fmt: skip
    assert ended.state == "done"
    context = open_context(Settings(home=tmp_path))
    with context.database.begin() as connection:
        snapshot = read_snapshot(connection, connection.execute(select(jobs.c.id)).scalars().one())
    assert earlier_policies(context, snapshot, task, 1) == ()
    (rival,) = earlier_policies(context, snapshot, task, 2)
    assert rival.name.startswith("policy of 1")
    batch = task.reference.batch(1)
    batch.play(0)
    rows = task.schema.rows(1)
    batch.state_rows(rows)
    assert rival.player(batch).actions(rows, np.ones(1, bool))[0] in (0, 1, 2)
    batch.close()

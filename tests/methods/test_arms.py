"""The arms of benchmarks/methods: every one is a job, and recorded trials are found again."""

from __future__ import annotations

import pytest

from benchmarks.methods.__main__ import RESULTS
from benchmarks.methods.arms import ARMS, TASKS, Arm
from benchmarks.methods.runs import Run, planned, read_rows
from rewardsmith.methods.recipe import recipe_of
from rewardsmith.tasks import get_task


@pytest.mark.parametrize("arm", ARMS, ids=lambda arm: arm.name)
def test_an_arm_and_its_settings_are_jobs_that_may_run(arm: Arm):
    for setting in arm.grid or ({},):
        run = Run("Unlock", arm.name, arm.method, {**arm.options, **setting}, 1, 1000, training=arm.training)
        recipe = recipe_of(run.spec)
        assert run.spec.training.align == arm.training.get("align", "none")
    recipe.check(get_task(run.spec.task))


def test_trials_recorded_by_an_earlier_version_are_found_by_their_keys():
    rows = {row["key"] for row in read_rows(RESULTS / "methods.jsonl") if row["pool"] == "claim"}
    runs = planned(TASKS, [arm for arm in ARMS if arm.name in ("sparse", "hand")], 3, {})
    assert {run.key for run in runs} <= rows
    aligned = next(arm for arm in ARMS if arm.training)
    assert not {run.key for run in planned(TASKS, [aligned], 1, {})} & rows

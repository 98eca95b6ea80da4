"""`tasks try`: a task played at random and with constant actions, step by step and in numbers."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from running import in_process
from space_tasks import TASKS, task_of

from rewardsmith.tasks.trying import MOST_STEPS, first_steps, tries

CASES = Path(__file__).parents[1] / "cases"


@pytest.mark.parametrize("name", TASKS)
def test_every_kind_of_task_is_tried(name):
    task = TASKS[name][0]
    lines, tried = list(first_steps(task)), list(tries(task))
    assert lines[0].startswith("start: ") and lines[1].startswith("1. ") and " | reward " in lines[1]
    assert tried[0].name == "random" and tried[0].episodes == 20
    assert all(each.steps <= MOST_STEPS and each.episodes > 0 for each in tried)
    assert len(tried) == {"box action": 4, "goals in a Dict": 4, "image": 3, "multi-discrete": 3, "multi-binary": 3,
                          "discrete from -1": 4, "action mask": 1}[name]  # fmt: skip


def test_a_constant_action_that_succeeds_is_seen():
    tried = {each.name: each for each in tries(TASKS["discrete from -1"][0])}
    assert tried["always ahead"].successes == 1 and tried["always back"].successes == 0
    levers = {each.name: each for each in tries(TASKS["multi-discrete"][0])}
    assert levers["always the largest values"].returned == 60.0 and levers["always the smallest values"].returned == 0.0


def test_unbounded_actions_have_no_ends_to_try():
    task = task_of("Unbounded-of-tests-v0")
    assert [each.name for each in tries(task)] == ["random"]


def test_the_command_prints_steps_and_a_table(tmp_path):
    shutil.copytree(CASES / "discrete_start_minus_one", tmp_path, dirs_exist_ok=True)
    shown = in_process(tmp_path, "tasks", "try", "task.yaml", "--format", "json")
    assert shown.returncode == 0, shown.stderr
    rows = json.loads(shown.stdout)
    assert rows[0]["name"] == "random" and {"episodes", "successes", "returned", "steps"} <= set(rows[0])
    assert (
        "start: place" in shown.stderr
        and "rewardsmith run --task task.yaml" in in_process(tmp_path, "tasks", "try", "task.yaml").stderr
    )

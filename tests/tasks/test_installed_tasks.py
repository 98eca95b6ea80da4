"""Tasks that an installed distribution brings, by entry points of the group `rewardsmith.tasks`."""

from __future__ import annotations

import importlib
import json
import shutil

import numpy as np
import pytest
from distributions import LANE_TASKS, install
from running import in_process

from rewardsmith.engine.served import NotServed, check_served
from rewardsmith.errors import UsageError
from rewardsmith.spec import TaskDescription, read_spec
from rewardsmith.tasks import brought_by, get_task, list_tasks
from rewardsmith.tasks.described import modules
from rewardsmith.tasks.described.modules import TaskChanged
from rewardsmith.tasks.described.stored import open_stored, store_task


@pytest.fixture
def warehouse(tmp_path, monkeypatch):
    """The folder into which the distribution warehouse-tasks 1.2 is installed."""
    return install(tmp_path / "site", monkeypatch, LANE_TASKS)


@pytest.mark.parametrize("name", ["lane", "lane-yaml", "lane-path", "lane-module"])
def test_an_installed_description_is_a_task_of_its_entry_points_name(name, warehouse):
    task = get_task(name)
    assert task.id == name and "last place of the lane" in task.interface().text
    batch = task.batch(1, "train")
    batch.reset(0)
    for _ in range(5):
        batch.step(np.array([1]))
    assert batch.success[0]
    batch.close()


def test_an_installed_task_object_is_the_task_itself(warehouse):
    assert get_task("own-grid").engine == "real"
    assert store_task("own-grid") is None


def test_installed_tasks_are_listed_with_their_distribution(warehouse, tmp_path):
    assert (
        ("lane", "-") in list_tasks()
        and brought_by("lane") == "warehouse-tasks 1.2"
        and brought_by("CartPole-v1") == ""
    )
    rows = json.loads(in_process(tmp_path, "tasks", "list", "lane", "--format", "json").stdout)
    assert {row["task"] for row in rows} == {"lane", "lane-yaml", "lane-path", "lane-module"}
    assert {row["package"] for row in rows} == {"warehouse-tasks 1.2"}


def test_listing_installed_tasks_imports_none_of_them(tmp_path, monkeypatch):
    install(tmp_path / "site", monkeypatch, {"broken": "no_such_module_anywhere:TASK"})
    assert ("broken", "-") in list_tasks()
    with pytest.raises(UsageError, match="ModuleNotFoundError") as caught:
        get_task("broken")
    assert "Install warehouse-tasks 1.2 again" in caught.value.remedy


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ("warehouse_tasks.lane:Missing", "AttributeError"),
        ("warehouse_tasks.lane:NUMBER", "describes no task"),
        ("warehouse_tasks:missing.yaml", "There is no file"),
        ("warehouse_tasks.lane:grid", "calls itself 'own-grid'"),
        ("warehouse_tasks.lane:Lane", "makes no task"),
        ("warehouse_tasks", "no object TASK"),
    ],
)
def test_an_entry_point_that_leads_to_no_task_is_refused(entry, told, tmp_path, monkeypatch):
    install(tmp_path / "site", monkeypatch, {"wrong": entry})
    with pytest.raises(UsageError) as caught:
        get_task("wrong")
    assert told in caught.value.cause, caught.value.cause


def test_a_name_that_two_distributions_bring_is_refused(warehouse, tmp_path, monkeypatch):
    install(tmp_path / "other", monkeypatch, {"lane": "elsewhere:TASK"}, name="other-tasks")
    with pytest.raises(UsageError, match="More than one distribution has a task 'lane'"):
        get_task("lane")


def test_a_shipped_id_cannot_be_replaced_by_a_distribution(tmp_path, monkeypatch):
    install(tmp_path / "site", monkeypatch, {"CartPole-v1": "warehouse_tasks.lane:LaneTask"})
    assert "pole" in get_task("CartPole-v1").interface().goal.lower()
    assert brought_by("CartPole-v1") == "" and ("CartPole-v1", "-") not in list_tasks()


def test_a_job_notices_that_an_installed_task_has_changed(warehouse):
    stored = TaskDescription.model_validate(store_task("lane"))
    assert stored.folder == str(warehouse) and "warehouse_tasks/lane.py" in stored.files
    assert open_stored("lane", stored).id == "lane"
    with (warehouse / "warehouse_tasks" / "lane.py").open("a") as file:
        file.write("# edited\n")
    with pytest.raises(TaskChanged, match=r"lane\.py"):
        open_stored("lane", stored)


def test_the_service_takes_installed_tasks_and_says_how_to_install_others(warehouse, monkeypatch):
    check_served(read_spec({"task": "lane", "steps": 1000}))
    for task in ("mine.yaml", "./my_task.py", "my_task:Mine"):
        with pytest.raises(NotServed, match="take installed tasks only") as caught:
            check_served(read_spec({"task": task, "steps": 1000}))
        assert "entry point in the group `rewardsmith.tasks`" in caught.value.remedy
    with pytest.raises(NotServed, match="have no task 'lance'"):
        check_served(read_spec({"task": "lance", "steps": 1000}))
    monkeypatch.setenv(modules._NO_FILES, "1")  # in a worker
    get_task("lane").batch(1, "train").close()
    with pytest.raises(UsageError, match="take installed tasks only"):
        get_task("warehouse_tasks.lane:LaneTask")


def test_without_its_distribution_an_installed_task_is_unknown(warehouse, monkeypatch):
    assert get_task("lane-yaml").id == "lane-yaml"
    shutil.rmtree(next(warehouse.glob("*.dist-info")))
    importlib.invalidate_caches()
    monkeypatch.syspath_prepend(str(warehouse / "nothing"))
    with pytest.raises(UsageError, match="There is no task 'lane-yaml'"):
        get_task("lane-yaml")

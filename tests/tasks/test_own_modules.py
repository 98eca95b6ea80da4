"""An environment in a user's module: how it is found, and how its exceptions are reported."""

from __future__ import annotations

import shutil
import sys
from itertools import count
from pathlib import Path

import pytest
import yaml
from running import in_process, rewardsmith
from space_tasks import refused

from rewardsmith.tasks import get_task
from rewardsmith.tasks.described.modules import Sources, changed_files, sources_of

CASES = Path(__file__).parents[1] / "cases"
_NUMBER = count()

ENVIRONMENT = """
import gymnasium as gym
import numpy as np


class Line(gym.Env):
    observation_space, action_space = gym.spaces.Box(0, 9, (1,), np.float32), gym.spaces.Discrete(2)

    def __init__(self, length=9):
        {init}

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        {reset}
        return np.zeros(1, np.float32), {{}}

    def step(self, action):
        {step}
        return np.ones(1, np.float32), 0.0, False, False, {{}}

    def close(self):
        {end}


gym.register("{name}-v0", Line, max_episode_steps=40)
"""


def own_task(folder: Path, *, module: str | None = None, kwargs: dict | None = None, **code: str) -> Path:
    """A description with its module beside it, of a name that this process has not imported yet."""
    name = f"own_line_{next(_NUMBER)}"
    text = ENVIRONMENT.format(name=name, **{"init": "pass", "reset": "pass", "step": "pass", "end": "pass", **code})
    (folder / f"{name}.py").write_text(text if module is None else module)
    described = {
        "id": f"{name}-v0", "env_id": f"{name}:{name}-v0", "goal": "Walk.", "state": [{"name": "x"}],
        "actions": ["left", "right"], "success": "x >= 9", "max_steps": 40, "env_kwargs": kwargs or {},
    }  # fmt: skip
    (folder / "own.yaml").write_text(yaml.safe_dump(described))
    return folder / "own.yaml"


def test_a_module_beside_the_description_is_found_from_any_folder(tmp_path):
    shutil.copytree(CASES / "module_not_found", tmp_path / "mine")
    for folder, name in ((tmp_path / "mine", "warehouse.yaml"), (tmp_path, "mine/warehouse.yaml")):
        shown = rewardsmith(folder, "tasks", "describe", name)
        assert shown.returncode == 0, shown.stderr
        assert "robot_x" in shown.stdout


def test_the_folder_is_on_the_path_for_the_import_alone_and_last(tmp_path):
    own_task(tmp_path, init=f"import sys; assert sys.path[-1] == {str(tmp_path)!r}")
    before = list(sys.path)
    get_task(str(tmp_path / "own.yaml")).batch(1, "train").close()
    assert sys.path == before


def test_modules_imported_during_play_are_found_too(tmp_path):
    (tmp_path / "own_helper_of_play.py").write_text("SPEED = 1\n")
    own_task(tmp_path, reset="import own_helper_of_play", step="from own_helper_of_play import SPEED")
    batch = get_task(str(tmp_path / "own.yaml")).batch(1, "train")
    batch.reset(0)
    batch.step([0])


def test_missing_module_names_the_searched_folder(tmp_path):
    path = own_task(tmp_path)
    next(tmp_path.glob("own_line_*.py")).unlink()
    error = refused(path)
    assert "There is no module 'own_line_" in error.cause and str(tmp_path) in error.cause
    assert "into the folder of the description" in error.remedy


def test_a_module_hidden_by_another_of_its_name_is_reported(tmp_path, monkeypatch):
    path = own_task(tmp_path)
    name = next(tmp_path.glob("own_line_*.py")).name
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / name).write_text("SOMETHING = 'else'\n")
    monkeypatch.syspath_prepend(str(tmp_path / "other"))
    error = refused(path)
    assert "There are two modules" in error.cause and str(tmp_path / "other") in error.cause


@pytest.mark.parametrize(
    "code, told",
    [
        ({"module": "import no_such_package_at_all\n"}, "No module named 'no_such_package_at_all' (own_line_"),
        ({"module": "1 / 0\n"}, "ZeroDivisionError"),
        ({"module": "raise SystemExit('give a port')\n"}, "SystemExit: give a port"),
        ({"module": "def broken(:\n"}, "SyntaxError"),
        ({"init": "raise ValueError('no licence')"}, "ValueError: no licence (own_line_"),
        ({"init": "self.length = undefined"}, "NameError"),
        (
            {"reset": "raise RuntimeError('camera lost')"},
            "raised RuntimeError: camera lost (in reset(), own_line_",
        ),
        ({"step": "raise RuntimeError('motor lost')"}, "raised RuntimeError: motor lost (in step(), own_line_"),
        ({"step": "return 1, 2"}, "step() returns a tuple of 2 in place of (observation, reward, "),
        ({"reset": "return np.zeros(3, np.float32), {}"}, "the observation has shape (3,), its space (1,)"),
        ({"end": "raise RuntimeError('port busy')"}, "failed while it was closed: RuntimeError: port busy"),
        ({"end": "raise SystemExit(4)"}, "failed while it was closed: SystemExit: 4"),
        (
            {"step": "raise type('Mute', (Exception,), {'__str__': lambda self: 1 / 0})()"},
            "raised Mute (in step(), own_line_",
        ),
    ],
)
def test_an_exception_of_the_environment_is_the_task_s_fault(code, told, tmp_path):
    error = refused(own_task(tmp_path, **code))
    assert told in error.cause
    shown = in_process(tmp_path, "tasks", "describe", "own.yaml")
    assert shown.returncode == 2 and "bug in rewardsmith" not in shown.stderr


def test_wrong_arguments_are_reported_with_the_accepted_ones(tmp_path):
    error = refused(own_task(tmp_path, kwargs={"lenght": 9}))
    assert "it has no argument `lenght`" in error.cause
    assert "It takes length; did you mean `length`?" in error.remedy


def test_a_misspelt_argument_names_the_right_one(tmp_path):
    shutil.copytree(CASES / "module_not_found", tmp_path, dirs_exist_ok=True)
    described = (tmp_path / "warehouse.yaml").read_text() + "env_kwargs: {sise: 9}\n"
    (tmp_path / "warehouse.yaml").write_text(described)
    shown = rewardsmith(tmp_path, "tasks", "describe", "warehouse.yaml")
    assert shown.returncode == 2 and "bug in rewardsmith" not in shown.stderr
    assert "it has no argument `sise`" in shown.stderr and "did you mean `size`?" in shown.stderr


@pytest.mark.parametrize(
    "command", [("run", "--task"), ("check", "reward.py", "--task"), ("run", "--dry-run", "--task")]
)
def test_every_command_blames_the_task_for_a_broken_environment(command, tmp_path):
    own_task(tmp_path, init="raise ValueError('no licence')")
    (tmp_path / "reward.py").write_text("def reward(prev, action, state, memory):\n    return 0.0\n")
    ran = in_process(tmp_path, *command, "own.yaml")
    assert ran.returncode == 2, ran.stderr
    assert (
        "The task's environment failed" in ran.stderr
        and "no licence" in ran.stderr
        and "bug in rewardsmith" not in ran.stderr
    )


def test_the_case_of_a_first_action_below_zero_through_the_command(tmp_path):
    shutil.copytree(CASES / "discrete_start_minus_one", tmp_path, dirs_exist_ok=True)
    shown = in_process(tmp_path, "tasks", "describe", "task.yaml")
    assert shown.returncode == 0, shown.stderr
    assert "action = LEFT" in shown.stdout


# The source files of a module


def test_the_sources_of_a_module_are_its_imports_from_its_folder(tmp_path):
    (tmp_path / "robot_sources").mkdir()
    for name, text in {
        "robot_sources/__init__.py": "",
        "robot_sources/envs.py": "from . import physics\nfrom robot_helper import SPEED\nimport numpy\n",
        "robot_sources/physics.py": "def move():\n    import robot_late\n",
        "robot_sources/unused.py": "",
        "robot_helper.py": "SPEED = 1\n",
        "robot_late.py": "",
        "run_all.py": "import robot_sources.envs\n",
    }.items():
        (tmp_path / name).write_text(text)
    found = sources_of("robot_sources.envs", tmp_path)
    assert found is not None and found.folder == str(tmp_path)
    assert list(found.files) == [
        "robot_helper.py", "robot_late.py", "robot_sources/__init__.py", "robot_sources/envs.py",
        "robot_sources/physics.py",
    ]  # fmt: skip
    assert changed_files("robot_sources.envs", found) == []
    (tmp_path / "run_all.py").write_text("changed = True\n")
    (tmp_path / "robot_sources" / "unused.py").write_text("changed = True\n")
    assert changed_files("robot_sources.envs", found) == []
    (tmp_path / "robot_helper.py").write_text("SPEED = 2\n")
    (tmp_path / "robot_late.py").unlink()
    assert changed_files("robot_sources.envs", found) == [
        f"robot_helper.py in {tmp_path}", f"robot_late.py is gone from {tmp_path}",
    ]  # fmt: skip


def test_of_an_installed_package_only_its_own_files_count():
    found = sources_of("minigrid", None)
    assert found is not None and "minigrid/minigrid_env.py" in found.files
    assert {name.split("/")[0] for name in found.files} == {"minigrid"}


def test_the_sources_of_a_module_include_its_entry_points(tmp_path):
    (tmp_path / "robot_named" / "envs").mkdir(parents=True)
    for name, text in {
        "robot_named/__init__.py": "gym.register('Robot-v0', entry_point='robot_named.envs:Robot')\n",
        "robot_named/envs/__init__.py": "from robot_named.envs.robot import Robot\n",
        "robot_named/envs/robot.py": "make = lambda: gym.make('robot_inner:Inner-v0')\n",
        "robot_inner.py": "import importlib\nimportlib.import_module('robot_by_name')\n",
        "robot_by_name.py": "",
        "robot_unused.py": "",
    }.items():
        (tmp_path / name).write_text(text)
    found = sources_of("robot_named", tmp_path)
    assert found is not None
    assert list(found.files) == [
        "robot_by_name.py", "robot_inner.py", "robot_named/__init__.py", "robot_named/envs/__init__.py",
        "robot_named/envs/robot.py",
    ]  # fmt: skip


def test_a_package_without_an_init_file_is_found_and_has_sources(tmp_path):
    path = own_task(tmp_path)
    module = next(tmp_path.glob("own_line_*.py"))
    (tmp_path / f"{module.stem}_folder" / "inner").mkdir(parents=True)
    name = f"{module.stem}_folder.inner.{module.stem}"
    module.rename(tmp_path / f"{name.replace('.', '/')}.py")
    path.write_text(path.read_text().replace(f"env_id: {module.stem}:", f"env_id: {name}:"))
    get_task(str(path)).batch(1, "train").close()
    found = sources_of(name, tmp_path)
    assert found is not None and found.folder == str(tmp_path)
    assert list(found.files) == [f"{name.replace('.', '/')}.py"]
    (tmp_path / f"{name.replace('.', '/')}.py").write_text("changed = True\n")
    assert changed_files(name, found) == [f"{name.replace('.', '/')}.py in {tmp_path}"]


def test_a_missing_module_is_reported(tmp_path):
    was = Sources(str(tmp_path), {"gone_module.py": "0"})
    assert changed_files("gone_module", was) == [f"the module gone_module is no longer in {tmp_path}"]


def test_environment_that_exits_does_not_end_the_probe(tmp_path):
    path = own_task(tmp_path, step="self.n = getattr(self, 'n', 0) + 1\n        if self.n > 5: raise SystemExit(3)")
    described = yaml.safe_load(path.read_text())
    described["state"] = [{"name": "x", "low": 0, "high": 9}]
    path.write_text(yaml.safe_dump(described))
    shown = rewardsmith(tmp_path, "tasks", "describe", "own.yaml")
    assert shown.returncode == 0 and "Task own_line_" in shown.stdout

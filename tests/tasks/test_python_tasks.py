"""Tasks described in Python: TASK, a class with a goal, MODULE:OBJECT, and functions that a YAML file names."""

from __future__ import annotations

import sys
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from running import in_process

from rewardsmith.errors import TaskError, UsageError
from rewardsmith.spec import TaskDescription
from rewardsmith.tasks import get_task
from rewardsmith.tasks.described.python_tasks import describe_file
from rewardsmith.tasks.described.stored import open_stored, store_task
from rewardsmith.tasks.described.task import DescribedTask

_NUMBER = count()
ENVIRONMENT = """
import gymnasium as gym
import numpy as np
from gymnasium import spaces


class Line(gym.Env):
    observation_space, action_space = spaces.Box(-99, 99, (1,), np.float32), spaces.Discrete(2)

    def __init__(self, step=1.0):
        self.by = step

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.x = 0.0
        return np.zeros(1, np.float32), {}

    def step(self, action):
        self.x += self.by if action else -self.by
        return np.array([self.x], np.float32), self.x, False, False, {"far": self.x > 3}


"""
AS_DICT = """
TASK = {"env": Line, "goal": "Walk.", "success": "x >= 2", "state": [{"name": "x"}], "actions": ["left", "right"],
        "max_steps": 9, "id": "line-in-a-dict"}
"""
AS_CLASS = '''
class WalkFar:
    """Walk to the right."""
    goal, env, env_kwargs, max_episode_steps, actions = "Walk.", Line, {"step": 2.0}, 9, ["left", "right"]

    def state(self, env, observation, info):
        return {"x": env.x, "halves": [env.x / 2, -env.x / 2]}

    def success(self, state, length):
        return state.x >= 8 and length == 4
'''
AS_DESCRIPTION = """
from rewardsmith.tasks.described.description import Description
gym.register("Line-of-{name}-v0", Line)
TASK = Description(id="line-as-it-is", env_id="{name}:Line-of-{name}-v0", goal="Walk.", success="x >= 2",
                   state=[dict(name="x")], max_steps=9)
"""
FUNCTIONS = """
gym.register("Line-of-{name}-v0", Line)


def make(step=1.0):
    return Line(step)


def state(env, observation, info):
    return {{"x": env.x}}


class Judge:
    @staticmethod
    def far(info, reward, episode_return, **others):
        return info.get("far", False) and reward > 3 and episode_return >= 10


def everything(env, observation, info, state, reward, terminated, truncated, episode_return, length):
    return env.x == observation[0] == state.x == reward and length == 4 and not terminated and not truncated


NUMBER = 3
"""


@pytest.fixture
def written(tmp_path, monkeypatch):
    """A function that writes a module with the environment, under a name that this process has not imported."""
    monkeypatch.chdir(tmp_path)

    def write(text: str) -> Path:
        name = f"own_python_task_{next(_NUMBER)}"
        (tmp_path / f"{name}.py").write_text(
            ENVIRONMENT + text.replace("{name}", name).replace("{{", "{").replace("}}", "}")
        )
        return tmp_path / f"{name}.py"

    return write


def successes(task: DescribedTask, actions: list[int]) -> list[bool]:
    batch = task.batch(1, "train")
    batch.play(0)
    found = []
    for action in actions:
        batch.step(np.array([action]))
        found.append(bool(batch.success[0]))
    batch.close()
    return found


def test_a_file_with_an_object_task_is_a_task(written):
    task = get_task(str(written(AS_DICT)))
    assert task.id == "line-in-a-dict" and task.actions.names == ("left", "right") and task.max_steps == 9
    assert successes(task, [1, 0, 1, 1]) == [False, False, False, True]


def test_a_file_with_one_class_with_a_goal_is_a_task(written):
    task = get_task(str(written(AS_CLASS)))
    assert task.id == "WalkFar" and task.max_steps == 9
    assert [field.name for field in task.schema][:2] == ["x", "halves"]
    assert successes(task, [1, 1, 1, 1, 0]) == [False, False, False, True, True]
    assert successes(task, [1, 1, 1, 0, 1, 1]) == [False] * 6
    assert "the task's own function says so" in task.success_rule


def test_a_file_with_a_description_is_a_task(written):
    assert successes(get_task(str(written(AS_DESCRIPTION))), [1, 1]) == [False, True]


def test_one_of_several_descriptions_is_named_by_module_and_object(written):
    path = written(AS_CLASS + AS_DICT.replace("TASK", "OTHER"))
    assert get_task(f"{path.stem}:OTHER").id == "line-in-a-dict"
    assert get_task(f"{path.stem}:WalkFar").id == "WalkFar"


def test_functions_of_a_yaml_file_are_called_with_what_they_ask_for(written, tmp_path):
    name = written(FUNCTIONS).stem
    text = f"id: own\nenv_id: {name}:Line-of-{name}-v0\ngoal: Walk.\nmax_steps: 9\nstate_function: {name}:state\n"
    (tmp_path / "own.yaml").write_text(f"{text}success: {name}:Judge.far\n")
    assert successes(get_task("own.yaml"), [1] * 5) == [False, False, False, True, True]
    (tmp_path / "all.yaml").write_text(f"{text}success: {name}:everything\n")
    assert successes(get_task("all.yaml"), [1] * 4) == [False, False, False, True]


@pytest.mark.parametrize(
    "text, cause",
    [
        ("", "has no object TASK, and no class with a `goal`"),
        (AS_CLASS + AS_CLASS.replace("WalkFar", "WalkOn"), "2 classes with a `goal`: WalkFar, WalkOn"),
        (AS_DICT.replace('"goal": "Walk.", ', ""), "goal: it is missing"),
        (AS_DICT.replace('"goal"', '"gaol"'), "the nearest is `goal`"),
        (AS_DICT.replace("x >= 2", "y >= 2"), "there is no `y`"),
        (AS_DICT.replace("Line,", "lambda: 3,"), "is a int, not a gymnasium.Env"),
        (AS_DICT.replace("Line,", "lambda: 1 / 0,"), "ZeroDivisionError"),
        ("1 / 0\n", "ZeroDivisionError"),
        (AS_CLASS.replace('"halves"', '"x-y"'), "x-y"),
    ],
)
def test_what_is_wrong_with_a_python_file_is_told_in_two_lines(written, text, cause):
    with pytest.raises(UsageError) as caught:
        get_task(str(written(text)))
    assert cause in caught.value.cause and "\n" not in caught.value.cause and "\n" not in caught.value.remedy


def test_a_missing_file_module_or_function_is_named(written, tmp_path):
    with pytest.raises(UsageError, match=r"There is no file nothing\.py"):
        get_task("nothing.py")
    with pytest.raises(UsageError, match="There is no module 'no_such_module_of_tasks'"):
        get_task("no_such_module_of_tasks:TASK")
    name = written(FUNCTIONS).stem
    text = f"id: own\nenv_id: {name}:Line-of-{name}-v0\ngoal: Walk.\nmax_steps: 9\nsuccess: "
    for function, told in (
        (f"{name}:nearby", f"The module {name} has no nearby"),
        (f"{name}:NUMBER", "is no function"),
    ):
        (tmp_path / "own.yaml").write_text(f"{text}{function}\n")
        with pytest.raises(UsageError, match=told):
            get_task("own.yaml")


def test_an_exception_of_a_function_is_the_task_s_fault(written, tmp_path):
    name = written(FUNCTIONS.replace('"x": env.x', '"x": 1 / (env.x - 60)')).stem
    text = f"id: own\nenv_id: {name}:Line-of-{name}-v0\ngoal: Walk.\nmax_steps: 90\nstate_function: {name}:state\n"
    (tmp_path / "own.yaml").write_text(f"{text}success: truncated\n")
    batch = get_task("own.yaml").batch(1, "train")
    batch.play(0)
    with pytest.raises(TaskError, match="ZeroDivisionError"):
        for _ in range(60):  # further than random play comes
            batch.step(np.array([1]))


@pytest.mark.parametrize(
    "old, new, told",
    [
        ('"x": env.x', '"x": 1 / (env.x - 1)', "failed while its state was read: ZeroDivisionError"),
        ('return {{"x": env.x}}', "return [env.x]", "function `state` returned a list"),
        ('"x": env.x', '"x": object()', "holds object, which is no number"),
        ('return info.get("far", False)', "return others['far']", "state and success were read: KeyError: 'far'"),
    ],
)
def test_an_exception_of_a_function_is_reported_with_its_line(written, tmp_path, old, new, told):
    name = written(FUNCTIONS.replace(old, new)).stem
    text = f"id: own\nenv_id: {name}:Line-of-{name}-v0\ngoal: Walk.\nmax_steps: 9\nstate_function: {name}:state\n"
    (tmp_path / "own.yaml").write_text(f"{text}success: {name}:Judge.far\n")
    with pytest.raises(UsageError) as caught:
        get_task("own.yaml")
    assert told in caught.value.cause and (f"({name}.py, line " in caught.value.cause or "ZeroDiv" not in told)


def test_a_job_keeps_a_description_in_python_as_text(written):
    path = written(AS_CLASS)
    stored = store_task(str(path))
    assert stored is not None and path.name in stored["files"]
    kept = TaskDescription.model_validate(stored)
    task = open_stored(str(path), kept)
    assert task.id == "WalkFar" and successes(task, [1] * 4) == [False, False, False, True]


def test_the_file_of_a_job_may_not_change_what_it_means(written):
    path = written(AS_CLASS)
    kept = TaskDescription.model_validate(store_task(str(path)))
    path.write_text(path.read_text().replace("length == 4", "length == 1"))
    with pytest.raises(UsageError, match="has changed since this job began"):
        open_stored(str(path), kept)


def test_commands_take_a_python_file(written, tmp_path):
    path = written(AS_CLASS)
    shown = in_process(tmp_path, "tasks", "describe", path.name)
    assert shown.returncode == 0 and "halves: vector of 2 floats (x, y)" in shown.stdout, shown.stderr
    sys.modules.pop(path.stem, None)
    tried = in_process(tmp_path, "tasks", "try", path.name)
    assert tried.returncode == 0 and "always right" in tried.stdout, tried.stderr


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("TASK = {'goal': 'Walk.', 'success': 'terminated', 'max_steps': 5}", "which environment it describes"),
        ("TASK = {'id': 'CartPole-v1', 'goal': 'Balance.', 'max_steps': 5}", "when an episode succeeds"),
    ],
)
def test_a_python_description_without_environment_or_success_is_refused(text, told, tmp_path):
    path = tmp_path / f"unfinished_{len(text)}.py"
    path.write_text(text)
    with pytest.raises(UsageError, match=told):
        describe_file(path)

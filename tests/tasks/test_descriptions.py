"""Refusals of task descriptions: every reason that applies, and a remedy."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
import yaml
from running import in_process

from rewardsmith.errors import UsageError
from rewardsmith.tasks import get_task
from rewardsmith.tasks.described.conditions import compile_condition
from rewardsmith.tasks.described.description import parse_description

CASES = Path(__file__).parents[1] / "cases"
LINE = yaml.safe_load((CASES / "edited_yaml" / "line.yaml").read_text())


def refused(path: Path | str) -> UsageError:
    with pytest.raises(UsageError) as caught:
        get_task(str(path)).batch(1, "train")
    assert "\n" not in caught.value.cause and "\n" not in caught.value.remedy
    return caught.value


@pytest.mark.parametrize(
    "condition, reason",
    [
        ('info["is_success"]', "`info` is not available here"),
        ("info.get('is_success', False)", "`info` is not available here"),
        ("is_success", "`is_success`, which `info` may contain, is not available here"),
        ("env_reward > 0", "`env_reward`, the reward of the environment, is not available here"),
        ("terminated and reward >= 100", "`reward`, the reward of the environment, is not available here"),
        ("return >= 200", "`return`, the return of an episode, is not available here"),
    ],
)
def test_success_by_info_or_reward_is_refused_with_a_remedy(condition, reason):
    with pytest.raises(UsageError) as caught:
        compile_condition(condition, ["x", "step", "terminated", "truncated"])
    assert reason in caught.value.cause and "not true or false" not in caught.value.cause
    assert "success is an expression over the state" in caught.value.cause
    assert "wrapper" in caught.value.remedy and "docs/tasks.md" in caught.value.remedy


def test_every_unknown_name_in_a_condition_is_reported():
    with pytest.raises(UsageError) as caught:
        compile_condition("info['a'] and reward > 1 and postion > 2", ["position"])
    for told in ("`info`", "`reward`", "no `postion`, the nearest is `position`"):
        assert told in caught.value.cause


def test_a_chained_comparison_is_refused_with_the_form_to_write():
    with pytest.raises(UsageError, match="chains comparisons; join single comparisons with `and`"):
        compile_condition("0 <= x <= 1", ["x"])


@pytest.mark.parametrize("case", ["info_success/task.yaml", "lunarlander_success/task.yaml"])
def test_the_cases_of_success_by_info_and_by_reward(case):
    error = refused(CASES / case)
    assert "is not available here: success is an expression over the state" in error.cause


def test_an_unquoted_comma_is_refused_with_the_advice_to_quote():
    error = refused(CASES / "yaml_comma" / "lunar.yaml")
    assert 'put texts that contain a comma in quotes, as in doc: "..., the pad is at 0"' in error.cause


@pytest.mark.parametrize(
    "text, told",
    [
        ("state: [{name: x, dok: a}]", "the nearest is `doc`"),
        ("actions: [on, off]", "YAML reads this word as true; put it in quotes"),
        ("goal: Reach: the end", "Put texts that contain a colon in quotes"),
        ("goal: {a: 1}\nmechanics: 3\nmax_steps: 0", "more"),
    ],
)
def test_yaml_syntax_errors_are_reported_as_such(text, told):
    whole = text if "goal" in text else f"id: A\ngoal: b\n{text}"
    with pytest.raises(UsageError) as caught:
        parse_description(whole, "t.yaml")
    assert told in caught.value.cause


def test_a_wrong_condition_and_wrong_spaces_are_reported_together(tmp_path):
    shutil.copy(CASES / "dict_and_multidiscrete" / "spaces_zoo.py", tmp_path)
    described = yaml.safe_load((CASES / "fetchreach_dict_continuous" / "task.yaml").read_text())
    (tmp_path / "task.yaml").write_text(yaml.safe_dump({**described, "success": "info['is_success']"}))
    error = refused(tmp_path / "task.yaml")
    for told in ("`info` is not available here", "no flat Box observation but Dict", "continuous actions"):
        assert told in error.cause
    for way in ("Success that the observation does not show", "FlattenObservation", "TransformAction"):
        assert way in error.remedy


def test_a_description_that_is_no_regular_file_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "task.yaml")
    assert "not a regular file" in refused(tmp_path / "task.yaml").cause


@pytest.mark.parametrize("task", ["Acrobot-v1", "LunarLander-v3", "FrozenLake-v1"])
def test_a_registered_id_without_description_names_the_command(task):
    error = refused(task)
    assert f"{task} is a Gymnasium environment without a description" in error.cause
    assert f"`rewardsmith tasks skeleton {task} > " in error.remedy


@pytest.mark.parametrize("task, known", [("LunarLander-v2", "LunarLander-v3"), ("Acrobot", "Acrobot-v1")])
def test_id_of_another_version_names_the_known_one(task, known):
    error = refused(task)
    assert f"Gymnasium registers {known}" in error.cause and f"`rewardsmith tasks skeleton {known}`" in error.remedy


def test_unknown_id_explains_how_to_describe_an_environment():
    assert "rewardsmith tasks skeleton MODULE:ID" in refused("TwoKeys-v0").remedy
    assert "rewardsmith tasks skeleton twokeys:TwoKeys-v0" in refused("twokeys:TwoKeys-v0").remedy
    assert "Did you mean CartPole-v1?" in refused("CartPole-v2").remedy


def test_run_points_to_the_skeleton(tmp_path):
    ran = in_process(tmp_path, "run", "--task", "Acrobot-v1")
    assert ran.returncode == 2 and "rewardsmith tasks skeleton Acrobot-v1 > acrobot.yaml" in ran.stderr
    assert not (tmp_path / ".rewardsmith" / "artifacts").exists()


@pytest.mark.parametrize("name", ["Acrobot-v1", "CartPole-v1", "MountainCar-v0", "line_env:Line-v0"])
def test_a_skeleton_is_a_description_that_can_be_played(name, tmp_path):
    shutil.copy(CASES / "edited_yaml" / "line_env.py", tmp_path)
    made = in_process(tmp_path, "tasks", "skeleton", name)
    assert made.returncode == 0, made.stderr
    (tmp_path / "own.yaml").write_text(made.stdout)
    shown = in_process(tmp_path, "tasks", "describe", "own.yaml")
    assert shown.returncode == 0, shown.stderr
    assert "x0: float" in shown.stdout


def test_a_skeleton_shows_keys_and_refuses_spaces_without_a_wrapper(tmp_path):
    shutil.copy(CASES / "dict_order" / "pointreach.py", tmp_path)
    flat = in_process(tmp_path, "tasks", "skeleton", "pointreach:PointReachFlat-v0")
    assert '{name: x4, low: -1, high: 1, doc: "describe it"}  # achieved_goal[0]' in flat.stdout
    refusal = in_process(tmp_path, "tasks", "skeleton", "FrozenLake-v1")
    assert refusal.returncode == 2 and "row and column" in refusal.stderr and refusal.stdout == ""

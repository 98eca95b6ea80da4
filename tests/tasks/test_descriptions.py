"""Refusals of task descriptions: every reason that applies, and a remedy."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from running import in_process
from space_tasks import refused

from rewardsmith.errors import UsageError
from rewardsmith.tasks import get_task
from rewardsmith.tasks.described.conditions import translate
from rewardsmith.tasks.described.description import parse_description

CASES = Path(__file__).parents[1] / "cases"
LINE = yaml.safe_load((CASES / "edited_yaml" / "line.yaml").read_text())


STEP = {"terminated": True, "truncated": False, "reward": 100.0, "episode_return": 210.0, "step": 3, "length": 3}


@pytest.mark.parametrize(
    "condition, info, holds",
    [
        ('info["is_success"]', {"is_success": True}, True),
        ("info.is_success", {"is_success": False}, False),
        ("info.is_success", {}, False),
        ("info.robot.gripped == 1", {"robot": {"gripped": np.bool_(True)}}, True),
        ("terminated and reward >= 100", {}, True),
        ("episode_return >= 200", {}, True),
        ("episode_return >= 220", {}, False),
    ],
)
def test_success_may_be_known_by_info_reward_or_return(condition, info, holds):
    compiled = translate(condition, {"x": None}).compile()
    assert compiled.holds({**STEP, "x": 0.0, "info": info}, compiled.start()) is holds


@pytest.mark.parametrize(
    "condition, reason",
    [
        ("info.get('is_success', False)", "`info.get('is_success', False)` is not allowed"),
        ("info", "`info` is a dict: name the entry, as in info.success"),
        ("is_success", "there is no `is_success`; is it `info.is_success`?"),
        ("env_reward > 0", "there is no `env_reward`; is it `reward`?"),
        ("return >= 200", "the return of an episode is called `episode_return`"),
    ],
)
def test_another_spelling_of_info_or_reward_is_corrected(condition, reason):
    with pytest.raises(UsageError) as caught:
        translate(condition, {"x": None})
    assert reason in caught.value.cause and "neither true nor false" not in caught.value.cause
    assert "info.NAME" in caught.value.remedy and "episode_return" in caught.value.remedy


def test_every_unknown_name_in_a_condition_is_reported():
    with pytest.raises(UsageError) as caught:
        translate("info and rewards > 1 and postion > 2", {"position": None})
    for told in ("`info`", "`rewards`", "no `postion`, the nearest is `position`"):
        assert told in caught.value.cause


def test_a_chained_comparison_is_refused_with_the_form_to_write():
    with pytest.raises(UsageError, match="joins comparisons; write each alone, with `and` between"):
        translate("0 <= x <= 1", {"x": None})


@pytest.mark.parametrize("case", ["info_success/task.yaml", "lunarlander_success/task.yaml"])
def test_the_cases_of_success_by_info_and_by_reward(case):
    batch = get_task(str(CASES / case)).batch(1, "train")
    batch.reset(0)
    batch.step(np.array([0]))
    assert not batch.success.any()
    batch.close()


def test_success_that_only_info_knows_is_seen():
    task = get_task(str(CASES / "info_success" / "task.yaml"))
    batch, row = task.batch(1, "train"), np.zeros((1, task.schema.width))
    names = [field.name for field in task.schema]
    batch.play(0)
    seen = []
    for target in ("parcel", "dock"):
        while True:
            batch.state_rows(row)
            at = dict(zip(names, row[0], strict=True))
            across, down = at[f"{target}_x"] - at["robot_x"], at[f"{target}_y"] - at["robot_y"]
            action = 3 if across > 0 else 2 if across < 0 else 1 if down > 0 else 0 if down < 0 else 4
            batch.step(np.array([action]))
            seen.append(bool(batch.success[0]))
            if action == 4:
                break
    assert seen == [False] * (len(seen) - 1) + [True] and batch.terminated[0]


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
    (tmp_path / "task.yaml").write_text(yaml.safe_dump({**described, "success": "is_success"}))
    error = refused(tmp_path / "task.yaml")
    for told in ("no `is_success`", "observes 9 numbers, the description names 3", "has 2 numbers in an action"):
        assert told in error.cause
    for way in ("info.NAME", "under `state`", "observation.desired_goal[0]", "under `actions`"):
        assert way in error.remedy


def test_a_description_that_is_no_regular_file_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "task.yaml")
    assert "not a regular file" in refused(tmp_path / "task.yaml").cause


@pytest.mark.parametrize("task", ["Acrobot-v1", "LunarLander-v3", "FrozenLake-v1"])
def test_a_registered_id_without_description_is_drafted(task):
    batch = get_task(task).batch(1, "train")
    batch.reset(0)
    batch.step(np.array([0]))
    batch.close()


@pytest.mark.parametrize("task, known", [("LunarLander-v2", "LunarLander-v3"), ("Acrobot", "Acrobot-v1")])
def test_id_of_another_version_names_the_known_one(task, known):
    error = refused(task)
    assert f"Gymnasium knows {known}" in error.cause and f"`--task {known}`" in error.remedy


def test_unknown_id_explains_how_to_describe_an_environment():
    assert "rewardsmith tasks new MODULE:ID" in refused("TwoKeys-v0").remedy
    assert "There is no module 'no_such_grid'" in refused("no_such_grid:TwoKeys-v0").cause
    assert "Did you mean CartPole-v1?" in refused("CartPole-v9").remedy or (
        "`--task CartPole-v1`" in refused("CartPole-v9").remedy
    )


@pytest.mark.parametrize(
    "name, variable",
    [
        ("Acrobot-v1", "cos_elbow"),
        ("CartPole-v1", "pole_angle"),
        ("MountainCar-v0", "position"),
        ("line_env:Line-v0", "x"),
    ],
)
def test_a_draft_is_a_description_that_can_be_played(name, variable, tmp_path):
    shutil.copy(CASES / "edited_yaml" / "line_env.py", tmp_path)
    made = in_process(tmp_path, "tasks", "new", name, "--out", "own.yaml")
    assert made.returncode == 0, made.stderr
    assert made.stdout == "own.yaml\n" and "rewardsmith tasks try own.yaml" in made.stderr
    shown = in_process(tmp_path, "tasks", "describe", "own.yaml")
    assert shown.returncode == 0, shown.stderr
    assert f"\n  {variable}: float" in shown.stdout


def test_a_draft_never_overwrites_a_file(tmp_path):
    (tmp_path / "acrobot.yaml").write_text("mine")
    made = in_process(tmp_path, "tasks", "new", "Acrobot-v1")
    assert made.returncode == 2 and "acrobot.yaml exists already" in made.stderr
    assert (tmp_path / "acrobot.yaml").read_text() == "mine"


def test_a_draft_shows_the_keys_of_a_flattened_dict(tmp_path):
    shutil.copy(CASES / "dict_order" / "pointreach.py", tmp_path)
    flat = in_process(tmp_path, "tasks", "new", "pointreach:PointReachFlat-v0")
    assert flat.returncode == 0, flat.stderr
    text = (tmp_path / "pointreachflat.yaml").read_text()
    assert "{name: achieved_goal_0, low: -1, high: 1}" in text and "{name: desired_goal_1, low: -1, high: 1}" in text

"""Gymnasium tasks by description: matching ones run, others are refused with the difference."""

from __future__ import annotations

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from rewardsmith.errors import UsageError
from rewardsmith.tasks import get_task
from rewardsmith.tasks.described.conditions import compile_condition
from rewardsmith.tasks.described.task import BoxTask, Description

PENDULUM = {
    "id": "Pendulum-v1",
    "goal": "Swing up.",
    "state": [{"name": n} for n in ("cosine", "sine", "speed")],
    "actions": ["left", "right"],
    "success": "truncated",
    "max_steps": 200,
}


def test_a_user_s_description_is_a_task(tmp_path):
    path = tmp_path / "car.yaml"
    path.write_text(
        yaml.safe_dump(
            {
                "id": "MyCar",
                "env_id": "MountainCar-v0",
                "goal": "Reach the flag.",
                "state": [{"name": "place"}, {"name": "speed"}],
                "actions": ["left", "none", "right"],
                "success": "terminated and place >= 0.5",
                "max_steps": 50,
            }
        )
    )
    task = get_task(str(path))
    batch = task.batch(2, "train")
    batch.reset(0)
    for _ in range(50):
        batch.step(np.array([0, 2]))
    assert batch.truncated.all() and not batch.terminated.any()
    assert "place" in task.interface().text


def test_the_policy_sees_variables_divided_by_their_bound_or_scale():
    described = get_task("CartPole-v1").description
    batch = BoxTask(described).batch(1, "train")
    rows, seen = np.zeros((1, 7)), np.zeros((1, 4), dtype=np.float32)
    batch.reset(0)
    batch.state_rows(rows)
    batch.observe(seen)
    assert seen[0] == pytest.approx(rows[0, :4] / np.array([2.4, 4.0, 0.2095, 4.0]), rel=1e-6)


def test_continuous_actions_are_refused_clearly():
    task = BoxTask(Description.model_validate(PENDULUM))
    with pytest.raises(UsageError, match="continuous actions"):
        task.batch(1, "train")


@pytest.mark.parametrize(
    "change, words",
    [
        ({"state": [{"name": "position"}]}, "observes 4 numbers"),
        ({"actions": ["left"]}, "has 2 actions"),
        ({"env_id": "NoSuchEnv-v0"}, "cannot make"),
        ({"max_steps": 501}, "ends its episodes after 500 steps"),
        ({"state": [{"name": name} for name in ("x", "v", "x", "w")], "success": "x > 0"}, "two values called 'x'"),
        ({"success": "position"}, "not true or false"),
    ],
)
def test_an_environment_unlike_its_description_is_refused(change, words):
    described = get_task("CartPole-v1").description.model_dump()
    with pytest.raises(UsageError, match=words):
        BoxTask(Description.model_validate({**described, **change})).batch(1, "train")


def test_start_states_of_the_pools_differ_and_repeat_with_the_seed():
    task = get_task("CartPole-v1")
    rows = {}
    for pool in ("train", "claim"):
        batch = task.batch(4, pool)
        batch.reset(7)
        rows[pool] = np.zeros((4, task.schema.width))
        batch.state_rows(rows[pool])
        again = np.zeros_like(rows[pool])
        batch.reset(7)
        batch.state_rows(again)
        assert (again == rows[pool]).all()
    assert (rows["train"] != rows["claim"]).any()


@pytest.mark.parametrize(
    "text",
    ["__import__('os')", "x.y", "x[0]", "open", "x if x else 1", "lambda: 1", "x >", "'a'", "x", "1", "x + 1", "-x"],
)
def test_a_success_condition_allows_nothing_but_arithmetic(text):
    with pytest.raises(UsageError, match="cannot be used"):
        compile_condition(text, ["x"])


@given(x=st.floats(-5, 5), y=st.floats(-5, 5), done=st.booleans())
def test_a_success_condition_evaluates_as_in_python(x, y, done):
    text = "done and (x >= 0.5 or not y < -1) and abs(x - y) <= 3"
    wanted = done and (x >= 0.5 or not y < -1) and abs(x - y) <= 3
    assert bool(compile_condition(text, ["x", "y", "done"])({"x": x, "y": y, "done": done})) == wanted

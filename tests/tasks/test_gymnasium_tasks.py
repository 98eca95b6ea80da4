"""Gymnasium tasks by description: matching ones run, others are refused with the difference."""

from __future__ import annotations

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from rewardsmith.errors import UsageError
from rewardsmith.tasks import get_task
from rewardsmith.tasks.described.conditions import translate
from rewardsmith.tasks.described.task import DescribedTask, Description

PENDULUM = {
    "id": "Pendulum-v1",
    "goal": "Swing up.",
    "state": [{"name": n} for n in ("cosine", "sine", "speed")],
    "actions": ["torque"],
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
    batch = DescribedTask(described).batch(1, "train")
    rows, seen = np.zeros((1, 7)), np.zeros((1, 4), dtype=np.float32)
    batch.reset(0)
    batch.state_rows(rows)
    batch.observe(seen)
    assert seen[0] == pytest.approx(rows[0, :4] / np.array([2.4, 4.0, 0.2095, 4.0]), rel=1e-6)


def test_continuous_actions_are_vectors_with_named_entries():
    task = DescribedTask(Description.model_validate(PENDULUM))
    assert not task.actions.discrete and task.actions.names == ("torque",)
    assert (task.actions.low, task.actions.high) == ((-2.0,), (2.0,))
    batch = task.batch(1, "train")
    rows = np.zeros((2, 1, task.schema.width))
    for row, torque in zip(rows, (-2.0, 2.0), strict=True):
        batch.play(0)
        batch.step(np.array([[torque]]))
        batch.state_rows(row)
    speed = task.schema.field("speed").column
    assert rows[1, 0, speed] - rows[0, 0, speed] == pytest.approx(0.6, abs=1e-5)  # 3 / (m l^2) * 4 Nm * 0.05 s


@pytest.mark.parametrize(
    "change, words",
    [
        ({"state": [{"name": "position"}]}, "observes 4 numbers"),
        ({"actions": ["left"]}, "has 2 actions"),
        ({"env_id": "NoSuchEnv-v0"}, "cannot make"),
        ({"state": [{"name": name} for name in ("x", "v", "x", "w")], "success": "x > 0"}, "two values called 'x'"),
        ({"success": "cart_position"}, "neither true nor false"),
    ],
)
def test_an_environment_unlike_its_description_is_refused(change, words):
    described = get_task("CartPole-v1").description.model_dump()
    with pytest.raises(UsageError, match=words):
        DescribedTask(Description.model_validate({**described, **change})).batch(1, "train")


def test_a_step_limit_above_the_registered_one_is_kept():
    described = get_task("MountainCar-v0").description.model_dump()
    batch = DescribedTask(Description.model_validate({**described, "max_steps": 230})).batch(1, "train")
    batch.reset(0)
    for step in range(1, 231):  # Gymnasium registers 200
        batch.step(np.array([1]))
        assert batch.truncated[0] == (step == 230)


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
        translate(text, {"x": None})


@given(x=st.floats(-5, 5), y=st.floats(-5, 5), done=st.booleans())
def test_a_success_condition_evaluates_as_in_python(x, y, done):
    text = "done and (x >= 0.5 or not y < -1) and abs(x - y) <= 3"
    wanted = done and (x >= 0.5 or not y < -1) and abs(x - y) <= 3
    condition = translate(text, dict.fromkeys(["x", "y", "done"])).compile()
    assert condition.holds({"x": x, "y": y, "done": done}, condition.start()) == wanted

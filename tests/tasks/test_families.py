"""Shipped descriptions: names, units and success of environments where people design rewards."""

from __future__ import annotations

import numpy as np
import pytest

from rewardsmith.tasks import get_task
from rewardsmith.tasks.described.families import family_description

NAMED = {
    "Acrobot-v1": ("cos_shoulder", "torque_negative"),
    "BipedalWalker-v3": ("hull_x", "knee_2"),
    "BipedalWalkerHardcore-v3": ("lidar", "hip_1"),
    "Blackjack-v1": ("usable_ace", "hit"),
    "CarRacing-v3": ("tiles_visited", "steering"),
    "CliffWalking-v1": ("column", "up"),
    "CliffWalkingSlippery-v1": ("row", "down"),
    "FrozenLake-v1": ("cell", "down"),
    "FrozenLake8x8-v1": ("row", "left"),
    "LunarLander-v3": ("left_leg", "fire_main_engine"),
    "LunarLanderContinuous-v3": ("angle", "side_engine"),
    "MountainCarContinuous-v0": ("velocity", "force"),
    "Pendulum-v1": ("angular_velocity", "torque"),
    "Taxi-v4": ("passenger", "dropoff"),
    "Ant-v5": ("root_vx", "hip_1"),
    "Hopper-v5": ("x_velocity", "foot_joint"),
    "Pusher-v5": ("r_wrist_roll_joint", "r_wrist_roll_joint"),
    "FetchPush-v4": ("object", "grip"),
    "FetchReach-v4": ("gripper_velocity", "dx"),
    "PointMaze_UMaze-v3": ("place", "force_x"),
}


@pytest.mark.parametrize("task_id", NAMED)
def test_a_shipped_description_names_state_and_actions_and_plays(task_id):
    task = get_task(task_id)
    variable, action = NAMED[task_id]
    assert variable in task.schema and action in task.actions.names
    batch = task.batch(2, "train")
    rows = task.schema.rows(2)
    batch.reset(0)
    for _ in range(3):
        batch.step(task.actions.sample(np.random.default_rng(0), 2, allowed=batch.masks))
    batch.state_rows(rows)
    batch.close()
    assert np.isfinite(rows).all()


def test_variables_of_infos_are_marked_as_training_only_and_joints_are_not():
    schema = get_task("Hopper-v5").schema
    assert schema.field("x_velocity").training_only and not schema.field("thigh_joint").training_only
    assert "the policy does not see it" in get_task("Hopper-v5").interface().text


def test_a_toy_text_index_is_read_as_row_and_column():
    task = get_task("FrozenLake-v1")
    batch = task.batch(1, "train")
    batch.reset(0)
    assert not task.schema.field("cell").training_only, "it follows from the index that the policy observes"
    assert "row 0, column 0, cell S" in task.caption(_row(task, batch), batch.tables)
    batch.close()


def test_a_worker_that_opens_no_task_files_opens_shipped_descriptions(monkeypatch):
    monkeypatch.setenv("REWARDSMITH_NO_TASK_FILES", "1")
    task = get_task("FrozenLake-v1")
    batch = task.batch(1, "train")
    batch.reset(0)
    batch.close()


def test_the_goal_of_fetch_is_a_vector_with_x_y_and_z():
    goal = get_task("FetchReach-v4").schema.field("desired_goal")
    assert goal.kind == "vector" and goal.entries == ("x", "y", "z")


def test_an_id_of_no_family_has_no_shipped_description():
    assert family_description("CartPole-v1") is None and family_description("MiniGrid-Empty-5x5-v0") is None


def _row(task, batch):
    rows = task.schema.rows(1)
    batch.state_rows(rows)
    return rows[0]

"""Shipped descriptions of MetaWorld, Crafter, highway-env and Gymnasium-Robotics' hands and mazes."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

from rewardsmith.errors import UsageError
from rewardsmith.tasks import get_task, list_tasks
from rewardsmith.tasks.described import environments, families
from rewardsmith.tasks.described.families import crafter, family_description, metaworld

ROBOTICS = {
    "AntMaze_UMaze-v4": ("joints", "hip_4_torque"),
    "AntMaze_UMaze-v5": ("contact_forces", "ankle_3_torque"),
    "AdroitHandDoor-v1": ("handle", "artz"),
    "AdroitHandHammer-v1": ("nail_head", "thj0"),
    "AdroitHandPen-v1": ("pen_direction", "wrj1"),
    "AdroitHandRelocateSparse-v1": ("ball_from_target", "artx"),
    "FrankaKitchen-v1": ("kettle", "left_finger_velocity"),
    "HandReach-v3": ("thumb_goal", "ffj3"),
    "HandManipulateEgg_ContinuousTouchSensors-v1": ("touch", "thj4"),
}
HIGHWAY = ("merge-v1", "exit-v1", "intersection-v1", "racetrack-v1", "u-turn-v1", "lane-keeping-v0", "two-way-v0")


def needs(package: str) -> None:
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed: pip install -e '.[test]'")


def play(task, steps: int = 3) -> np.ndarray:
    """Rows after some random steps of two environments."""
    batch, rows = task.batch(2, "train"), task.schema.rows(2)
    batch.reset(0)
    for _ in range(steps):
        batch.step(task.actions.sample(np.random.default_rng(0), 2, allowed=batch.masks))
    batch.state_rows(rows)
    batch.close()
    assert np.isfinite(rows).all()
    return rows


def test_all_tasks_of_metaworld_and_crafter_are_listed_with_one_schema():
    listed = dict(list_tasks())
    assert len(metaworld.ids()) == 50 and len(crafter.ids()) == 22
    assert all(name in listed for name in (*metaworld.ids(), *crafter.ids()))
    for ids in (metaworld.ids(), crafter.ids()):
        described = [family.describe(name) for family in (metaworld, crafter) for name in ids]
        assert len({str(each.state) for each in described if each is not None}) == 1


def test_an_id_of_a_package_that_is_missing_is_refused_with_its_extra(monkeypatch):
    monkeypatch.setattr(families, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"needs the package crafter.*\n.*rewardsmith\[crafter\]"):
        get_task("Crafter/collect_wood")
    monkeypatch.setattr(environments.importlib.util, "find_spec", lambda name, package=None: None)
    with pytest.raises(UsageError, match=r"the package minihack is not installed.*\n.*rewardsmith\[minihack\]"):
        get_task("MiniHack-River-v0")


def test_the_seed_of_an_episode_decides_the_goal_of_metaworld():
    needs("metaworld")
    task = get_task("MetaWorld/reach-v3")
    env = task.make_env()
    goals = [env.reset(seed=seed)[0][36:].tolist() for seed in (1, 2, 1)]
    env.close()
    assert goals[0] == goals[2] != goals[1]
    assert task.schema.field("near_object").training_only and not task.schema.field("goal").training_only
    assert task.schema.field("hand").entries == ("x", "y", "z") and task.max_steps == 500


@pytest.fixture(scope="module")
def wood():
    needs("crafter")
    return get_task("Crafter/collect_wood")


def test_an_achievement_of_crafter_is_a_success_on_the_step_that_brings_it(wood):
    batch, rows = wood.batch(1, "train"), wood.schema.rows(1)
    batch.reset(0)
    inner = batch._envs[0].env.unwrapped.crafter
    ahead = inner.player.pos + np.array(inner.player.facing)
    batch.step(np.array([wood.actions.names.index("noop")]))
    assert not batch.success[0]
    for thing in [each for each in inner.world.objects if tuple(each.pos) == tuple(ahead)]:
        inner.world.remove(thing)
    inner.world[ahead] = "tree"
    batch.step(np.array([wood.actions.names.index("do")]))
    batch.state_rows(rows)
    assert batch.success[0] and "collect_wood 1" in wood.caption(rows[0], batch.tables)
    batch.close()


def test_the_view_of_crafter_is_that_around_the_player_and_repeats_by_seed(wood):
    env = wood.make_env()
    seen, info = env.reset(seed=3)
    bare = env.unwrapped
    x, y = info["place"]
    view = seen["view"].reshape(7, 9)
    assert view[3, 4] == crafter.THINGS.index("player")
    across, down, steps = info["nearest"]["tree"]
    assert abs(across) + abs(down) == steps and bare.crafter.world[(x + across, y + down)][0] == "tree"
    first = [env.step(action % 17)[0]["view"].tolist() for action in range(30)]
    env.reset(seed=3)
    assert [env.step(action % 17)[0]["view"].tolist() for action in range(30)] == first
    env.close()


def test_a_vehicle_of_highway_env_is_a_row_of_named_features():
    needs("highway_env")
    merge = family_description("merge-v1")
    assert {v.name: v.entries for v in merge.state}["vehicle_4"] == ["presence", "x", "y", "vx", "vy"]
    assert merge.actions == ["lane_left", "idle", "lane_right", "faster", "slower"]
    assert merge.success == "terminated and not info.crashed and on_road"
    assert "x from [-200, 200]" in merge.mechanics[0]


def test_an_antmaze_without_success_in_its_infos_measures_the_distance():
    needs("gymnasium_robotics")
    assert family_description("AntMaze_Large-v4").success == "distance(achieved_goal, desired_goal) <= 0.45"
    assert family_description("AntMaze_Large-v5").success == "info.success"


@pytest.mark.slow
@pytest.mark.parametrize("name", ROBOTICS)
def test_hands_mazes_and_the_kitchen_name_every_number_of_the_observation(name):
    needs("gymnasium_robotics")
    task = get_task(name)
    variable, action = ROBOTICS[name]
    assert variable in task.schema and action in task.actions.names
    # Some parts of Hand's observation repeat the achieved goal.
    repeated = {"HandReach-v3": 15, "HandManipulateEgg_ContinuousTouchSensors-v1": 7}.get(name, 0)
    assert sum(v.length or 1 for v in task.description.state) + repeated == task.observation.size
    play(task)


@pytest.mark.slow
@pytest.mark.parametrize("name", HIGHWAY)
def test_every_kind_of_observation_of_highway_env_is_named_and_plays(name):
    needs("highway_env")
    play(get_task(name), 2)


@pytest.mark.slow
@pytest.mark.parametrize("name", [*metaworld.ids(), "Crafter/collect_diamond"])
def test_every_task_of_metaworld_plays_and_repeats_by_seed(name):
    needs("crafter" if name.startswith("Crafter") else "metaworld")
    task = get_task(name)
    play(task)
    if name.startswith("MetaWorld"):
        env = task.make_env()
        first, again = (env.reset(seed=5)[0] for _ in range(2))
        assert (first == again).all()
        env.close()

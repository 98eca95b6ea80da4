"""State rows of a real environment need nothing of rewardsmith, and mean what the schema says."""

import inspect

import numpy as np

from rewardsmith.tasks.minigrid import get_task, state_tracker
from rewardsmith.tasks.minigrid.captions import read_row
from tests.tasks.minigrid.differential import SMALL


def tracked(name, actions, layout=0):
    """States, decoded, of a real episode."""
    task = get_task(name, SMALL)
    env = task.make_env()
    env.reset(seed=int(task.pool("train").seeds[layout]))
    tracker = state_tracker.StateTracker(task.schema.as_dict())
    row, tables = tracker.start(env)
    states = [read_row(row, tables, task.schema)]
    for action in actions:
        _, reward, terminated, _, _ = env.step(action)
        row = tracker.after(env, action, float(reward), terminated)
        states.append(read_row(row, tables, task.schema))
    return states


def test_the_source_runs_on_its_own():
    task = get_task("MiniGrid-UnlockPickup-v0", SMALL)
    space: dict = {"__name__": "exported"}
    exec(compile(inspect.getsource(state_tracker), "exported", "exec"), space)
    env = task.make_env()
    env.reset(seed=3)
    assert np.array_equal(
        space["snapshot"](env, task.schema.as_dict()), state_tracker.snapshot(env, task.schema.as_dict())
    )
    imports = [line for line in inspect.getsource(state_tracker).splitlines() if "import" in line]
    assert not any("rewardsmith" in line or "from ." in line for line in imports)


def test_the_events_of_a_solution_are_in_order():
    task = get_task("MiniGrid-DoorKey-6x6-v0", SMALL)
    plan = task.plan(0)
    assert plan is not None
    states = tracked(task.id, plan.actions)
    events = [state["event"] for state in states]
    assert events[0] == "none" and events[-1] == "reached"
    assert events.index("picked_up") < events.index("unlocked")
    assert [state["solved"] for state in states] == [False] * (len(states) - 1) + [True]
    carrying = states[events.index("picked_up")]
    key = next(item for item in carrying["objects"] if item["kind"] == "key")
    assert carrying["carrying"] == key["id"] and key["carried"]
    assert (key["x"], key["y"]) == (carrying["agent"]["x"], carrying["agent"]["y"])


def test_an_opened_box_gives_way_to_its_content():
    task = get_task("MiniGrid-ObstructedMaze-1Dlh-v0", SMALL)
    plan = task.plan(0)
    assert plan is not None
    states = tracked(task.id, plan.actions)
    opened = next(i for i, state in enumerate(states) if state["event"] == "opened_box")
    before = {item["kind"]: item for item in states[opened - 1]["objects"]}
    after = {item["kind"]: item for item in states[opened]["objects"]}
    assert "key" not in before and "box" not in after
    assert (after["key"]["x"], after["key"]["y"]) == (before["box"]["x"], before["box"]["y"])


def test_objects_keep_their_slots_and_targets_are_marked():
    plan = get_task("MiniGrid-BlockedUnlockPickup-v0", SMALL).plan(0)
    assert plan is not None
    states = tracked("MiniGrid-BlockedUnlockPickup-v0", plan.actions)
    words = ("id", "kind", "color", "target")
    names = [[tuple(item[word] for word in words) for item in state["objects"]] for state in states]
    assert all(name == names[0] for name in names)
    (target,) = [item for item in states[-1]["objects"] if item["target"]]
    assert target["kind"] == "box" and states[-1]["carrying"] == target["id"]


def test_walls_are_indexed_by_x_then_y():
    task = get_task("MiniGrid-DistShift1-v0", SMALL)
    env = task.make_env()
    env.reset(seed=0)
    _, tables = state_tracker.StateTracker(task.schema.as_dict()).start(env)
    assert tables["walls"].shape == tables["lava"].shape == (1, 9, 7)
    assert tables["lava"][0, 3, 1] and not tables["lava"][0, 1, 3]

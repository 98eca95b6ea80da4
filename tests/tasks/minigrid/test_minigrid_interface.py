"""A designer can work from an interface alone, under any names of kinds and colours."""

import json
from typing import Any

import numpy as np
import pytest

from rewardsmith.tasks.minigrid import get_task
from rewardsmith.tasks.minigrid.captions import read_row
from rewardsmith.tasks.minigrid.state_tracker import COLORS, KINDS
from sandbox.views import build_view
from tests.tasks.minigrid.differential import SMALL

TOLD = (
    "MiniGrid-DoorKey-6x6-v0", "MiniGrid-PutNear-6x6-N2-v0", "MiniGrid-RedBlueDoors-6x6-v0",
    "MiniGrid-ObstructedMaze-1Dlh-v0", "MiniGrid-LavaGapS5-v0",
)  # fmt: skip


def all_columns(fields):
    for field in fields:
        yield field
        yield from all_columns(field.get("fields", ()))


@pytest.mark.parametrize("name", TOLD)
def test_facts_are_plain_data_and_consistent(name):
    task = get_task(name, SMALL)
    facts = json.loads(json.dumps(task.interface().facts))
    assert set(facts["goal"]["kinds"]) <= set(facts["kinds"])
    assert set(facts["object_counts"]) == set(facts["kinds"])
    assert [action["name"] for action in facts["actions"]] == list(task.actions.names)
    assert facts["goal"]["targets"]["min"] >= 1
    assert all(field["doc"] for field in all_columns(facts["fields"]))


@pytest.mark.parametrize("name", TOLD)
def test_the_text_names_every_field_action_and_unit(name):
    task = get_task(name, SMALL)
    interface = task.interface()
    for word in (*task.actions.names, "objects[i].kind", "agent.front_x", "cells", "steps", interface.goal):
        assert word in interface.text
    assert interface.example["prev"]["step"] + 1 == interface.example["state"]["step"]


def rename(value, names) -> Any:
    if isinstance(value, dict):
        return {names.get(k, k): rename(v, names) for k, v in value.items()}
    if isinstance(value, list):
        return [rename(item, names) for item in value]
    return names.get(value, value) if isinstance(value, str) else value


def progress(facts, state):
    """Number of milestones that a state has reached, computed from the facts alone."""
    kinds, done = facts["kinds"], 0
    for item in state["objects"]:
        about = kinds[item["kind"]]
        done += bool(about.get("opens")) and item["carried"]
        done += "blocks_when" in about and item["state"] not in about["blocks_when"]
        done += item["target"] and facts["goal"]["relation"] == "reach" and state["solved"]
    return done


def test_progress_is_the_same_under_other_names():
    task = get_task("MiniGrid-DoorKey-6x6-v0", SMALL)
    facts, plan = task.interface().facts, task.plan(0)
    assert plan is not None
    names = {word: f"w{i}" for i, word in enumerate((*KINDS, *COLORS))}
    other_facts = rename(facts, names)
    other_facts["goal"] = other_facts.pop(names["goal"])  # the section of that name, not the kind
    batch = task.batch(1, "train")
    batch.play(plan.layout)
    row, met = np.zeros((1, task.schema.width), np.int32), []
    for action in plan.actions:
        batch.step(np.array([action]))
        batch.state_rows(row)
        state = read_row(row[0], batch.tables, task.schema)
        renamed = rename({"objects": state["objects"]}, names) | {"solved": state["solved"]}
        met.append(progress(facts, state))
        assert met[-1] == progress(other_facts, renamed)
    assert met[0] == 0 and met[-1] == 3 and met == sorted(met)


def test_reward_code_reads_the_rows_through_the_schema():
    task = get_task("MiniGrid-ObstructedMaze-1Dlh-v0", SMALL)
    plan, batch = task.plan(0), task.batch(1, "train")
    assert plan is not None
    batch.play(plan.layout)
    view, row = build_view(task.schema.as_dict()), np.zeros((1, task.schema.width), np.int32)
    state: Any = None
    events = []
    for action in plan.actions:
        batch.step(np.array([action]))
        batch.state_rows(row)
        state = view(row[0].tolist(), batch.tables)
        events.append(state.event)
        if state.event == "picked_up":
            assert state.event_object == state.carrying and state.carrying.carried
        if state.event == "opened_box":
            assert state.event_object.kind == "box" and state.event_object not in state.objects
        assert not state.walls[state.agent.x, state.agent.y]
    assert {"opened_box", "picked_up", "unlocked"} <= set(events) and state.solved
    assert state.carrying.target and state.mission == "pick up the blue ball"


def test_a_caption_states_where_objects_are():
    task = get_task("MiniGrid-DoorKey-6x6-v0", SMALL)
    batch = task.batch(1, "train")
    row = np.zeros((1, task.schema.width), np.int32)
    batch.state_rows(row)
    words = task.caption(row[0], batch.tables)
    assert words.startswith("Step 0 of 360. The episode begins. The agent is at (")
    assert "locked yellow door" in words and "green goal (target)" in words

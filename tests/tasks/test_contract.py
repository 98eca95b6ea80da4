"""The contract of every task, and of each capability for the tasks that have it."""

from __future__ import annotations

import importlib.util
import json
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from minigrid.envs import EmptyEnv

from rewardsmith.errors import UsageError
from rewardsmith.tasks import get_task
from rewardsmith.tasks.capabilities import (
    countable_of,
    environment_of,
    events_of,
    exportable_of,
    named_by_hand,
    pay_of,
    planner_of,
    reference_of,
    referenced_of,
    rendering_of,
    starts_of,
    tabular_of,
    transition_table_of,
)
from rewardsmith.tasks.minigrid import get_task as get_grid
from rewardsmith.tasks.minigrid.custom import CustomTask
from rewardsmith.tasks.transitions import VIEWS, Describer
from sandbox.views import build_view

TINY = {"train": 6, "select": 4, "claim": 4}
HILL = """
id: MountainCar-v0
goal: Drive the car up the right hill.
max_steps: 40
success: terminated and x >= 0.5
actions: [left, none, right]
state:
  - {name: x, low: -1.2, high: 0.6, unit: m, doc: position}
  - {name: speed, low: -0.07, high: 0.07, unit: m/step, doc: velocity}
"""


def described_task(more: str = "") -> Any:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "hill.yaml"
        file.write_text(HILL + more)
        return get_task(str(file))


TASKS = {
    "compiled": lambda: get_grid("MiniGrid-DoorKey-5x5-v0", TINY),
    "compiled, ends on a mistake": lambda: get_grid("MiniGrid-RedBlueDoors-6x6-v0", TINY),
    "real": lambda: get_grid("MiniGrid-Dynamic-Obstacles-5x5-v0", TINY),
    "own grid": lambda: CustomTask(lambda: EmptyEnv(size=5), "own", TINY),
    "built-in": lambda: get_task("CartPole-v1"),
    "vectors of actions": lambda: get_task("MountainCarContinuous-v0"),
    "with a table": lambda: get_task("FrozenLake-v1"),
    "described": described_task,
}
GRIDS = {"starts", "events", "rendering", "exportable", "environment"}
DESCRIBED = {"exportable", "named by hand", "referenced", "environment"}
LISTED = {*GRIDS, "planner", "countable", "tabular"}
CAN = {
    "compiled": {*LISTED, "pay"},
    "compiled, ends on a mistake": {*LISTED, "pay"},
    "real": GRIDS,
    "own grid": LISTED,
    "built-in": DESCRIBED,
    "vectors of actions": {*DESCRIBED, "reference"},
    "with a table": {*DESCRIBED, "table"},
    "described": DESCRIBED,
}
if importlib.util.find_spec("envpool") is not None:
    TASKS["by EnvPool"] = lambda: described_task("engine: envpool")
    CAN["by EnvPool"] = DESCRIBED
ASKED = {
    "starts": starts_of, "events": events_of, "rendering": rendering_of, "exportable": exportable_of,
    "planner": planner_of, "countable": countable_of, "tabular": tabular_of, "pay": pay_of,
    "named by hand": named_by_hand, "referenced": referenced_of, "reference": reference_of,
    "environment": environment_of, "table": transition_table_of,
}  # fmt: skip


@cache
def task_of(name: str) -> Any:
    return TASKS[name]()


def with_capability(capability: str) -> Any:
    """Parametrises `task` by the tasks that are to have the capability."""
    return pytest.mark.parametrize("task", [n for n, can in CAN.items() if capability in can], indirect=True)


@pytest.fixture(params=TASKS)
def task(request) -> Any:
    return task_of(request.param)


def play_randomly(task: Any, seed: int, steps: int = 60, envs: int = 3) -> list[dict[str, np.ndarray]]:
    """Random play: the batch's arrays after each step, before finished episodes restart."""
    batch, rng = task.batch(envs, "train"), np.random.default_rng(5)
    batch.reset(seed)
    rows, seen = task.schema.rows(envs), np.zeros((envs, task.observation_size), np.float32)
    observed = []
    for _ in range(steps):
        batch.step(task.actions.sample(rng, envs))
        batch.state_rows(rows)
        batch.observe(seen)
        names = ("rewards", "terminated", "truncated", "success", "layout")
        observed.append({"rows": rows.copy(), "seen": seen.copy(), **{n: getattr(batch, n).copy() for n in names}})
        batch.restart(batch.terminated | batch.truncated)
    batch.close()
    return observed


def plan_of(task: Any) -> tuple[int, list[int]]:
    plans = task.oracle_plans(1)
    assert plans
    return plans[0][0], list(plans[0][1])


# The contract of every task.


@pytest.mark.parametrize("name", TASKS)
def test_a_task_has_the_capabilities_it_should(name):
    assert {capability for capability, ask in ASKED.items() if ask(task_of(name)) is not None} == CAN[name]


def test_equal_seeds_give_equal_play(task):
    first, again = play_randomly(task, 3), play_randomly(task, 3)
    assert all(np.array_equal(a[k], b[k]) for a, b in zip(first, again, strict=True) for k in a)
    assert any((a["rows"] != b["rows"]).any() for a, b in zip(first, play_randomly(task, 4), strict=True))


def test_rows_and_observations_have_the_sizes_that_are_stated(task):
    batch = task.batch(2, "train")
    assert batch.observation_size == task.observation_size and batch.num_envs == 2
    assert 3 * task.view_cells <= task.observation_size
    batch.close()
    for observed in play_randomly(task, 0, 5):
        assert observed["rows"].dtype == task.schema.dtype and np.isfinite(observed["rows"]).all()
        assert np.isfinite(observed["seen"]).all()


def test_values_lie_within_the_schema(task):
    fields = [f for f in task.schema if f.kind not in ("record", "list", "table", "text") and not f.uses]
    for observed in play_randomly(task, 1):
        for field in fields:
            values = observed["rows"][:, field.column]
            if field.kind == "choice":
                assert ((values >= -1) & (values < len(field.values))).all()
            elif field.kind == "int" and field.low is not None:
                assert ((values >= field.low) & (values <= field.high)).all(), field.name


def test_the_schema_s_columns_fill_its_rows_once(task):
    columns = [c for field in task.schema if field.kind not in ("table", "text") for c in field.columns()]
    assert len(columns) == len(set(columns)) and max(columns) < task.schema.width
    json.dumps(task.schema.as_dict())


def test_programs_read_the_rows_by_name(task):
    batch = task.batch(1, "train")
    batch.reset(0)
    row = task.schema.rows(1)
    batch.state_rows(row)
    view: Any = build_view(task.schema.as_dict())(row[0].tolist(), batch.tables)
    assert view.step == 0 and not view.solved
    batch.close()


def test_no_step_ends_twice_and_success_ends_its_episode(task):
    for observed in play_randomly(task, 2):
        assert not (observed["terminated"] & observed["truncated"]).any()
        assert (observed["terminated"] | observed["truncated"])[observed["success"]].all()
        assert np.array_equal(observed["rows"][:, task.schema.field("solved").column] > 0, observed["success"])


def test_an_episode_ends_at_the_step_limit(task):
    batch = task.batch(1, "train")
    batch.reset(0)
    action = task.actions.rows(1)
    action[:] = task.actions.idle or 0
    steps = 0
    while not (batch.terminated[0] or batch.truncated[0]):
        batch.step(action)
        steps += 1
    assert batch.terminated[0] or steps == task.max_steps
    batch.close()


def test_a_start_is_played_again_by_its_number(task):
    batch = task.batch(2, "train")
    rows = task.schema.rows(2, 2)
    for k in range(2):
        batch.play(1)
        batch.state_rows(rows[k])
        batch.step(task.actions.rows(2))
    assert (rows == rows[0, 0]).all() and (batch.layout == 1).all()
    batch.close()


def test_restart_leaves_the_other_environments_alone(task):
    batch = task.batch(2, "train")
    batch.reset(0)
    batch.step(task.actions.rows(2))
    before, after = task.schema.rows(2), task.schema.rows(2)
    batch.state_rows(before)
    batch.restart(np.array([True, False]))
    batch.state_rows(after)
    assert (after[1] == before[1]).all() and after[0, task.schema.field("step").column] == 0
    batch.close()


def test_the_interface_names_state_actions_and_success(task):
    interface = task.interface()
    assert interface.task_id == task.id and interface.goal
    for word in (*(f.name for f in task.schema if f.kind not in ("record", "list")), task.success_rule):
        assert word in interface.text
    for name in task.actions.names:
        assert (name.upper() if task.actions.discrete else f"action.{name}") in interface.text
    json.dumps(interface.facts)
    assert {"prev", "action", "state"} <= set(interface.example)


def test_each_state_has_a_caption(task):
    batch, row = task.batch(1, "train"), task.schema.rows(1)
    batch.reset(0)
    batch.state_rows(row)
    first = task.caption(row[0], batch.tables)
    assert first and first == task.caption(row[0], batch.tables)
    batch.close()


def test_pools_other_than_training_say_whether_they_are_unseen(task):
    assert not task.unseen("train")
    assert isinstance(task.unseen("select"), bool) and isinstance(task.unseen("claim"), bool)


def test_actions_known_as_idle_or_detour_exist(task):
    count = len(task.actions)
    assert task.actions.idle is None or 0 <= task.actions.idle < count
    assert all(0 <= action < count for action in task.actions.detour)


@pytest.mark.parametrize("view", VIEWS)
def test_transitions_with_one_key_have_the_same_description(task, view):
    if view != "caption" and rendering_of(task) is None:
        pytest.skip("draws nothing")
    describer, batch = Describer(task, view), task.batch(1, "train")
    rows, seen = task.schema.rows(2, 1), np.zeros((2, 1, task.observation_size), np.float32)
    words: dict[int, str] = {}
    rng = np.random.default_rng(0)
    batch.play(0)
    batch.state_rows(rows[1])
    batch.observe(seen[1])
    for _ in range(25):
        rows[0], seen[0] = rows[1], seen[1]
        action = task.actions.sample(rng, 1)
        batch.step(action)
        batch.state_rows(rows[1])
        batch.observe(seen[1])
        key = int(describer.keys(rows[:1], action[None], rows[1:], seen[:1], seen[1:])[0, 0])
        observed = describer.words(rows[0, 0], action[0], rows[1, 0], seen[0, 0], seen[1, 0], batch.tables)
        assert words.setdefault(key, observed) == observed
        if batch.terminated[0] or batch.truncated[0]:
            break
    batch.close()


# The contracts of the capabilities.


@with_capability("planner")
def test_a_plan_solves_on_its_last_step(task):
    layout, actions = plan_of(task)
    for batch in (task.batch(1, "train"), task.real_batch(1, "train")):
        batch.play(layout)
        for action in actions:
            assert not (batch.terminated[0] or batch.truncated[0])
            batch.step(np.array([action]))
        assert batch.success[0]
        batch.close()
    assert list(task.solution(layout)) == actions


@with_capability("planner")
def test_behaviours_that_should_not_pay_do_not_solve(task):
    layout, actions = plan_of(task)
    for behaviour in task.behaviours(layout, actions):
        batch = task.batch(1, "train")
        batch.play(layout)
        for step in range(len(behaviour.prefix) + 2 * len(behaviour.cycle)):
            batch.step(np.array([behaviour.action(step)]))
            assert not batch.success[0], behaviour.name
            if batch.terminated[0] or batch.truncated[0]:
                break
        batch.close()


@with_capability("pay")
def test_success_pays_bit_for_bit_what_the_task_states(task):
    layout, actions = plan_of(task)
    for wait in (0, 1, 7):
        for batch in (task.batch(1, "train"), task.real_batch(1, "train")):
            batch.play(layout)
            for action in (*[task.actions.detour[0], 1] * wait, *actions):
                batch.step(np.array([action]))
                assert batch.success[0] or batch.rewards[0] == 0
            assert batch.success[0] and batch.rewards[0] == task.success_reward(2 * wait + len(actions))
            batch.close()


@with_capability("tabular")
def test_enumerated_states_equal_those_of_the_environment(task):
    graph, rng = task.state_graph(0, task.state_limit), np.random.default_rng(1)
    assert graph is not None and graph.complete
    compared = [c for c in range(1, task.schema.width) if c != task.schema.field("step").column]
    costly = [
        c for f in task.schema if f.kind == "list" for start in f.slots() for p in f.fields if p.uses
        for c in [start + p.column]
    ]  # fmt: skip
    compared = [c for c in compared if c not in costly]
    batch, row = task.batch(1, "train"), task.schema.rows(1)
    batch.play(0)
    batch.state_rows(row)
    assert (graph.rows_before(np.array([0]))[0][compared] == row[0][compared]).all()
    node = 0
    for _ in range(40):
        action = int(rng.integers(len(task.actions)))
        batch.step(np.array([action]))
        batch.state_rows(row)
        observed = graph.rows_after(np.array([node]))[0, action]
        assert (observed[compared] == row[0][compared]).all()
        assert graph.over[node, action] == batch.terminated[0] and graph.won[node, action] == batch.success[0]
        if batch.terminated[0] or batch.truncated[0]:
            break
        node = int(graph.node[graph.successor[node, action]])
    batch.close()


@with_capability("tabular")
def test_the_model_s_reward_lies_between_first_and_last_step(task):
    graph = task.state_graph(0, task.state_limit)
    nodes = np.flatnonzero(graph.won.any(axis=1))
    early, late = graph.paid(nodes), graph.paid(nodes, last=True)
    layout, actions = plan_of(task)
    batch = task.batch(1, "train")
    batch.play(layout)
    for action in actions:
        batch.step(np.array([action]))
    assert late.max() - 1e-9 <= batch.rewards[0] <= early.max() and len(nodes)
    batch.close()


@with_capability("countable")
def test_counted_states_equal_enumerated_states(task):
    graph = task.state_graph(0, task.state_limit)
    assert task.count_states(0, 10**6) == (len(graph.state), True)
    assert task.count_states(0, 5) == (5, False)


@with_capability("starts")
def test_equal_hashes_are_equal_starts_and_seeds_lead_to_them(task):
    hashes = task.pool_hashes("train")
    assert len(hashes) == TINY["train"]
    rows = task.schema.rows(len(hashes), 1)
    batch, real = task.batch(1, "train"), task.real_batch(1, "train")
    observed = task.schema.rows(1)
    for layout in range(len(hashes)):
        batch.play(layout)
        batch.state_rows(rows[layout])
        real.play(layout)
        real.state_rows(observed)
        assert (observed == rows[layout]).all()
    # Column 0 is the layout's number.
    for one in range(len(hashes)):
        for other in range(one):
            if hashes[one] == hashes[other]:
                assert (rows[one, 0, 1:] == rows[other, 0, 1:]).all()
    assert len({task.start_seed(layout) for layout in range(len(hashes))}) == len(hashes)
    if task.unseen("claim"):
        assert not set(hashes) & set(task.pool_hashes("claim"))
    batch.close()
    real.close()


@with_capability("events")
def test_an_episode_s_first_event_is_that_it_began(task):
    batch, row = task.batch(1, "train"), task.schema.rows(1)
    batch.play(0)
    batch.state_rows(row)
    assert task.read_event(row[0]) == ("none", None)
    batch.step(np.array([0]))
    batch.state_rows(row)
    assert task.read_event(row[0])[0] in task.schema.field("event").values[1:]
    batch.close()


@with_capability("exportable")
def test_the_exported_state_tracker_defines_the_called_functions(task):
    reader = task.state_reader()
    text = "\n".join(reader.code)
    assert reader.making.startswith("gymnasium.make(")
    assert "def first_row(" in text and "def next_row(" in text
    assert "class StateTracker" in text or any(hasattr(module, "StateTracker") for module in reader.modules)


@with_capability("environment")
def test_the_environment_alone_has_the_task_s_actions(task):
    env = task.make_env()
    _, info = env.reset(seed=0)
    assert isinstance(info, dict) and len(env.step(task.actions.in_environment(task.actions.rows(1)[0]))) == 5
    env.close()


@with_capability("reference")
def test_the_reference_succeeds_on_its_first_layout(task):
    reference = task.reference
    batch = reference.batch(1)
    batch.play(reference.layouts(1)[0])
    player, rows, starts = reference.player(batch), task.schema.rows(1), np.ones(1, bool)
    while not (batch.terminated[0] or batch.truncated[0]):
        batch.state_rows(rows)
        batch.step(player.actions(rows, starts))
        starts[:] = False
    assert batch.success[0]
    batch.close()


@with_capability("referenced")
def test_a_reference_that_does_not_exist_is_refused(task):
    with pytest.raises(UsageError):
        task.referring_to("no/such/policy.zip")


@with_capability("table")
def test_steps_of_the_environment_are_among_the_table_s(task):
    table, batch, rng = task.transition_table(), task.batch(1, "train"), np.random.default_rng(0)
    batch.reset(0)
    for _ in range(50):
        before, action = int(task.table_states(batch)[0]), task.actions.sample(rng, 1)
        batch.step(action)
        after = int(task.table_states(batch)[0])
        may = table.outcomes(before, int(action[0]))
        assert (after, batch.rewards[0]) in zip(table.successor[may], table.reward[may], strict=True)
        batch.restart(batch.terminated | batch.truncated)
    batch.close()


@with_capability("named by hand")
def test_a_described_task_warns_of_its_order_or_not_at_all(task):
    assert task.order_warning() is None or task.order_warning()

"""Views read a row of numbers as a typed, read-only state."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sandbox_task import SCHEMA, TABLES, host, rollout

from sandbox.views import build_view, costly_fields

#      step open x  y  facing | key: present x color |  second key  | carrying grid mission walk
ROW = [7, 1, 3, 4, 1, 1, 8, 0, 1, 9, 1, 1, 1, 0, 5, 0]


def state(row: list[int] | None = None, uses: tuple[str, ...] | None = ("walk_distance",)) -> Any:
    return build_view(SCHEMA, uses)(row or ROW, TABLES)


def test_every_kind_of_field_is_read() -> None:
    s = state()
    assert (s.step, s.open, s.agent.x, s.agent.facing, s.mission, s.walk) == (7, True, 3, "south", "go", 5)
    assert type(s.agent.y) is float and s.agent.y == 4.0 and type(s.open) is bool
    assert [(key.x, key.color) for key in s.keys] == [(8, "red"), (9, "blue")]
    assert s.carrying == s.keys[1] and s.carrying.x == 9
    assert np.array_equal(s.grid, [[4, 5], [6, 7]])
    assert s.keys is s.keys and s.agent is s.agent


def test_a_vector_is_a_tuple_whose_entries_have_names() -> None:
    cube = {"name": "cube", "kind": "vector", "column": 1, "length": 3, "entries": ["x", "y", "z"], "of": "float"}
    bag = {"name": "bag", "kind": "vector", "column": 4, "length": 2, "entries": [], "of": "int"}
    schema = {"name": "State", "dtype": "float64", "width": 6, "fields": [cube, bag]}
    s: Any = build_view(schema)([0.0, 1.5, 2.5, 3.5, 4.0, 5.0], {})
    assert (s.cube.x, s.cube[2], s.cube) == (1.5, 3.5, (1.5, 2.5, 3.5))
    assert s.bag == (4, 5) and all(type(number) is int for number in s.bag)
    assert repr(s) == "State(cube=Cube(x=1.5, y=2.5, z=3.5), bag=Bag(4, 5))"
    with pytest.raises(AttributeError, match="Cube has no field 'w'; it has: x, y, z"):
        _ = s.cube.w
    with pytest.raises(AttributeError, match=r"Cube.x is read-only"):
        s.cube.x = 1.0


def test_missing_objects_are_none_or_left_out() -> None:
    row = [*ROW]
    row[4], row[5], row[11] = -1, 0, -1
    s = state(row)
    assert s.agent.facing is None and s.carrying is None
    assert [key.x for key in s.keys] == [9]


def test_items_are_equal_by_slot_across_states_even_when_they_changed() -> None:
    moved = [*ROW]
    moved[9] = 0
    view = build_view(SCHEMA)
    one: Any = view(ROW, TABLES)
    other: Any = view(moved, TABLES)
    assert one.keys[1] == other.keys[1] and one.keys[0] != other.keys[1]
    assert one != other and one == view([*ROW], TABLES)


def test_assignment_to_a_view_is_refused_with_a_remedy() -> None:
    with pytest.raises(AttributeError, match="read-only; keep your own values in memory"):
        state().open = False
    with pytest.raises(AttributeError):
        state().invented = 1


def test_an_unknown_field_lists_the_known_ones() -> None:
    with pytest.raises(AttributeError, match="no field 'agnet'; it has: step, open, agent"):
        _ = state().agnet


def test_a_costly_field_must_be_declared() -> None:
    with pytest.raises(AttributeError, match='USES = \\["walk_distance"\\]'):
        _ = state(uses=()).walk
    assert costly_fields(SCHEMA) == {"walk": "walk_distance"}


def test_float_schemas_give_ints_where_ints_are_meant() -> None:
    fields = [
        {"name": "n", "kind": "int", "column": 0},
        {"name": "v", "kind": "float", "column": 1},
        {"name": "c", "kind": "choice", "column": 2, "values": ["a", "b"]},
    ]
    s: Any = build_view({"name": "S", "dtype": "float64", "width": 3, "fields": fields})([2.0, 0.5, 1.0], {})
    assert (s.n, type(s.n), s.v, s.c) == (2, int, 0.5, "b")


def test_repr_shows_the_whole_state_on_one_line() -> None:
    shown = repr(state())
    assert shown.startswith("State(step=7, open=True, agent=Agent(x=3, y=4.0, facing='south'), keys=(KeysItem(")
    assert "grid=<array 2x2>" in shown


def test_states_with_equal_lists_share_them_and_others_do_not() -> None:
    program = (
        "def reward(prev, action, state, memory):\n"
        "    before, after = prev.keys, state.keys\n"
        "    shared = before is after and len(before) > 0\n"  # there is only one empty tuple
        "    equal = [(k.x, k.color) for k in before] == [(k.x, k.color) for k in after]\n"
        "    return {'shared': float(shared), 'equal': float(equal), 'count': float(len(before))}\n"
    )
    steps, keys = rollout(steps=40), slice(5, 11)
    for t in range(40):  # the keys stay as they are on every other step
        if t % 2:
            steps["after"][t, :, keys] = steps["before"][t, :, keys]
        steps["before"][t + 1 : t + 2] = steps["after"][t]
    with host(program, capacity=120) as scoring:
        scores = scoring.score(**steps)
    same = (steps["before"][..., keys] == steps["after"][..., keys]).all(-1)
    values = dict(zip(scores.names, np.moveaxis(scores.values, -1, 0), strict=True))
    assert 0 < same.sum() < same.size
    assert (values["shared"] == (same & (values["count"] > 0))).all() and (values["equal"] >= same).all()


def test_an_item_is_no_container_of_nested_fields() -> None:
    item = {"name": "o", "kind": "item", "of": "keys", "column": 1}
    keys = {"name": "keys", "kind": "list", "start": 0, "stride": 2, "length": 1, "present": 0, "fields": [item]}
    with pytest.raises(ValueError, match="an item of a list cannot hold field 'o' of kind 'item'"):
        build_view({"name": "S", "width": 2, "fields": [keys]})

"""Observations of every Gymnasium space: one row of numbers, and the form that a policy is built for."""

from __future__ import annotations

import numpy as np
import pytest
from gymnasium import spaces

from rewardsmith.tasks.described.reading import Flattening, NoValue
from rewardsmith.tasks.observations import space_of

IMAGE = spaces.Box(0, 255, (48, 40, 3), np.uint8)
KINDS = {
    "vector": spaces.Box(-1, 1, (3,), np.float32),
    "matrix": spaces.Box(-1, 1, (4, 5), np.float32),
    "number": spaces.Box(-1, 1, (), np.float32),
    "ints": spaces.Box(0, 9, (3,), np.int64),
    "discrete": spaces.Discrete(6),
    "discrete from 3": spaces.Discrete(6, start=3),
    "multi-discrete": spaces.MultiDiscrete([3, 4]),
    "multi-binary": spaces.MultiBinary(4),
    "image": IMAGE,
    "channels first": spaces.Box(0, 255, (1, 40, 44), np.uint8),
    "small image": spaces.Box(0, 255, (8, 8, 3), np.uint8),
    "dict": spaces.Dict(a=spaces.Box(-1, 1, (2,)), b=spaces.Discrete(3), c=IMAGE),
    "nested": spaces.Dict(robot=spaces.Dict(arm=spaces.Box(-1, 1, (2, 2)), on=spaces.MultiBinary(2))),
    "tuple": spaces.Tuple((spaces.Discrete(3), spaces.Box(-1, 1, (2,)))),
}


def row_of(space: spaces.Space, value) -> np.ndarray:
    found, refused = space_of(space)
    assert not refused
    row = np.zeros(found.size)
    Flattening([(part.path, part.size) for part in found.parts]).write(value, row)
    return row - np.concatenate([part.first for part in found.parts])


@pytest.mark.parametrize("name", KINDS)
def test_a_policy_is_given_a_value_of_its_space(name):
    found, _ = space_of(KINDS[name])
    KINDS[name].seed(0)
    rows = found.rows(3)
    for n in range(3):
        rows[n] = row_of(KINDS[name], KINDS[name].sample())
    given = found.structured(rows)
    for n in range(3):
        one = {k: v[n] for k, v in given.items()} if isinstance(given, dict) else given[n]
        assert found.space.contains(one), (one, found.space)


def test_leaves_are_named_by_their_path_and_stand_in_order():
    found, _ = space_of(KINDS["nested"])
    assert [(part.name, part.source, part.start, part.size) for part in found.parts] == [
        ("robot_arm", "observation.robot.arm", 0, 4),
        ("robot_on", "observation.robot.on", 4, 2),
    ]
    entries = [entry for entry, *_ in found.entries()]
    assert entries[1:3] == ["observation.robot.arm[0][1]", "observation.robot.arm[1][0]"]


def test_an_image_is_bytes_with_the_channels_first():
    found, _ = space_of(IMAGE)
    image = IMAGE.sample()
    rows = found.rows(1)
    rows[0] = row_of(IMAGE, image)
    assert rows.dtype == np.uint8 and found.space.shape == (3, 48, 40)
    assert (found.structured(rows)[0] == image.transpose(2, 0, 1)).all()


@pytest.mark.parametrize("name, images", [("image", 1), ("channels first", 1), ("small image", 0), ("dict", 1)])
def test_an_image_is_bytes_of_a_side_that_a_cnn_can_read(name, images):
    assert sum(part.is_image for part in space_of(KINDS[name])[0].parts) == images


def test_a_discrete_observation_counts_from_zero_for_the_policy_only():
    found, _ = space_of(KINDS["discrete from 3"])
    assert row_of(KINDS["discrete from 3"], 5).tolist() == [2]
    assert list(found.entries()) == [("observation", 3.0, 8.0)] and found.space == spaces.Discrete(6)


def test_keys_that_are_left_out_and_texts_are_no_part():
    graph = spaces.Graph(KINDS["vector"], None)
    space = spaces.Dict(a=spaces.Discrete(2), words=spaces.Text(9), deep=spaces.Dict(more=graph))
    found, refused = space_of(space)
    assert sorted(refused) == ["deep.more (Graph)", "words (Text)"]
    assert [part.name for part in found.parts] == ["a"]
    assert space_of(space, ["a"])[1] == []


@pytest.mark.parametrize(
    "value, told",
    [
        ({"a": np.zeros(2), "b": 1}, "observation"),
        ({"a": np.zeros(3), "b": 1, "c": IMAGE.sample()}, "observation.a of shape (3,) instead of 2 numbers"),
        ({"a": "left", "b": 1, "c": IMAGE.sample()}, "observation.a of type str"),
    ],
)
def test_a_value_of_another_form_is_named(value, told):
    with pytest.raises(NoValue) as caught:
        row_of(KINDS["dict"], value)
    assert told in str(caught.value)

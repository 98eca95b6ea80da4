"""Actions of every Gymnasium space: as policies choose them, as rewards read them, as environments take them."""

from __future__ import annotations

import numpy as np
import pytest
from gymnasium import spaces
from hypothesis import given
from hypothesis import strategies as st

from rewardsmith.tasks.actions import space_of

KINDS = {
    "discrete": spaces.Discrete(4),
    "discrete from -1": spaces.Discrete(3, start=-1),
    "box": spaces.Box(np.array([-1, 0], np.float32), np.array([1, 5], np.float32)),
    "matrix": spaces.Box(-2, 2, (2, 3), np.float64),
    "half open": spaces.Box(np.array([0, -np.inf]), np.array([np.inf, np.inf]), dtype=np.float64),
    "multi-discrete": spaces.MultiDiscrete([2, 3, 4]),
    "multi-discrete from": spaces.MultiDiscrete([2, 3], start=[-1, 5]),
    "multi-discrete matrix": spaces.MultiDiscrete([[2, 3], [4, 5]]),
    "multi-binary": spaces.MultiBinary(5),
    "multi-binary matrix": spaces.MultiBinary((2, 2)),
}


@pytest.mark.parametrize("name", KINDS)
@given(seed=st.integers(0, 1000))
def test_a_drawn_action_is_one_of_the_environment_s(name, seed):
    actions = space_of(KINDS[name])
    [drawn] = actions.sample(np.random.default_rng(seed), 1)
    assert KINDS[name].contains(actions.in_environment(drawn))


@pytest.mark.parametrize("name", KINDS)
def test_an_action_of_the_policy_s_space_is_one_of_the_environment_s(name):
    actions = space_of(KINDS[name])
    policy = actions.space()
    policy.seed(0)
    rows = actions.rows(20)
    for row in range(20):
        rows[row] = policy.sample()
    assert rows.dtype == (np.int64 if actions.discrete else np.float64)
    assert all(KINDS[name].contains(actions.in_environment(row)) for row in rows)


@pytest.mark.parametrize(
    "name, kind, width",
    [
        ("discrete", "discrete", 0),
        ("box", "box", 2),
        ("matrix", "box", 6),
        ("multi-discrete", "multi-discrete", 3),
        ("multi-discrete matrix", "multi-discrete", 4),
        ("multi-binary", "multi-binary", 5),
    ],
)
def test_kind_and_width_follow_from_the_space(name, kind, width):
    actions = space_of(KINDS[name])
    assert (actions.kind, actions.width) == (kind, width)


def test_discrete_actions_count_from_zero_whatever_the_space_starts_at():
    actions = space_of(KINDS["discrete from -1"], ["back", "stay", "ahead"])
    assert [actions.in_environment(k) for k in range(3)] == [-1, 0, 1]
    assert [actions.describe(k) for k in range(3)] == ["back", "stay", "ahead"]


def test_entries_of_a_multi_discrete_action_count_from_zero():
    actions = space_of(KINDS["multi-discrete from"], ["gear", "lever"])
    assert actions.in_environment([0.0, 2.0]).tolist() == [-1, 7]
    assert actions.describe([0.0, 2.0]) == "gear=0, lever=2"


def test_an_action_has_the_shape_and_type_of_the_environment():
    given_action = space_of(KINDS["matrix"]).in_environment(np.arange(6))
    assert given_action.dtype == np.float64 and given_action.tolist() == [[0, 1, 2], [3, 4, 5]]
    assert space_of(KINDS["box"]).in_environment([0.1, 0.2]).dtype == np.float32


def test_rewards_read_the_rounded_number_that_the_environment_is_given():
    actions = space_of(KINDS["box"])
    drawn = actions.sample(np.random.default_rng(0), 100)
    assert all((actions.in_environment(action).astype(np.float64) == action).all() for action in drawn)


def test_a_box_of_integers_is_rounded_before_rewards_read_it():
    actions = space_of(spaces.Box(-3, 3, (2,), np.int32))
    given_action = np.array([[1.6, -2.7]])
    assert actions.rounded(given_action).tolist() == [[2.0, -3.0]]
    assert actions.in_environment(given_action[0]).tolist() == [2, -3]


@given(st.lists(st.booleans(), min_size=4, max_size=4).filter(any), st.integers(0, 1000))
def test_only_allowed_actions_are_drawn(allowed, seed):
    drawn = space_of(KINDS["discrete"]).sample(np.random.default_rng(seed), 3, allowed=np.array([allowed] * 3))
    assert drawn.shape == (3,) and all(allowed[action] for action in drawn)


def test_allowed_actions_are_drawn_equally_often():
    allowed = np.array([[True, False, True, True]] * 6000)
    drawn = space_of(KINDS["discrete"]).sample(np.random.default_rng(0), 6000, allowed=allowed)
    assert np.bincount(drawn, minlength=4) == pytest.approx([2000, 0, 2000, 2000], abs=150)


def test_names_of_another_number_and_other_kinds_of_spaces_are_refused():
    with pytest.raises(ValueError, match="has 4 actions"):
        space_of(KINDS["discrete"], ["a", "b"])
    with pytest.raises(ValueError, match="has 2 entries of an action"):
        space_of(KINDS["box"], ["a"])
    with pytest.raises(ValueError, match="the kind Tuple are not supported"):
        space_of(spaces.Tuple([spaces.Discrete(2)]))

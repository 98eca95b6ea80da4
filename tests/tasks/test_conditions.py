"""Success conditions: they mean what Python means, read entries and infos, and count for how long something holds."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewardsmith.errors import UsageError
from rewardsmith.tasks.described.conditions import translate

NAMES = {"x": None, "y": None, "v": ("x", "y"), "flag": None}
numbers = st.recursive(
    st.one_of(
        st.sampled_from(["x", "y", "v.x", "v[1]", "step", "reward", "episode_return", "length", "info.speed"]),
        st.integers(-3, 9).map(str),
        st.floats(0, 5).map(repr),
    ),
    lambda inner: st.one_of(
        st.builds("({} {} {})".format, inner, st.sampled_from("+-*"), inner),
        st.builds("(-{})".format, inner),
        st.builds("{}({}, {})".format, st.sampled_from(["min", "max"]), inner, inner),
    ),
    max_leaves=4,
)
conditions = st.recursive(
    st.one_of(
        st.sampled_from(["terminated", "truncated", "flag", "info.won"]),
        st.builds("{} {} {}".format, numbers, st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), numbers),
    ),
    lambda inner: st.one_of(
        st.builds("({} {} {})".format, inner, st.sampled_from(["and", "or"]), inner),
        st.builds("(not {})".format, inner),
    ),
    max_leaves=5,
)
finite = st.floats(-10, 10)


class Pair(list):
    """A vector as a person reads it: by name and by index."""

    x = property(lambda self: self[0])
    y = property(lambda self: self[1])


@given(conditions, st.tuples(*[finite] * 6), st.integers(1, 9), st.tuples(*[st.booleans()] * 4))
def test_a_condition_means_what_python_means(text, values, step, flags):
    x, y, a, b, reward, speed = values
    terminated, truncated, flag, won = flags
    plain = {
        "x": x, "y": y, "flag": flag, "step": step, "length": step, "reward": reward, "episode_return": 2 * reward,
        "terminated": terminated, "truncated": truncated,
    }  # fmt: skip
    condition = translate(text, NAMES, ["flag"]).compile()
    found = condition.holds({**plain, "v": [a, b], "info": {"speed": speed, "won": won}}, condition.start())
    in_python = {**plain, "v": Pair([a, b]), "info": SimpleNamespace(speed=speed, won=won), "min": min, "max": max}
    assert found == bool(eval(text, {"__builtins__": {}, **in_python}))


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=30), st.integers(1, 5))
def test_held_counts_the_last_steps_without_a_gap(steps, k):
    condition = translate(f"held({k}, x > 0 and flag)", NAMES, ["flag"]).compile()
    counts, true = condition.start(), []
    for above, flag in steps:
        true.append(above and flag)
        wanted = len(true) >= k and all(true[-k:])
        assert condition.holds({"x": 1.0 if above else -1.0, "flag": flag}, counts) is wanted


@given(st.lists(st.booleans(), min_size=1, max_size=25))
def test_held_may_stand_inside_held_and_beside_others(steps):
    condition = translate("held(2, held(3, flag)) or held(6, not flag)", NAMES, ["flag"]).compile()
    counts, inner = condition.start(), []
    for at in range(len(steps)):
        seen = steps[: at + 1]
        inner.append(len(seen) >= 3 and all(seen[-3:]))
        wanted = (len(inner) >= 2 and all(inner[-2:])) or (len(seen) >= 6 and not any(seen[-6:]))
        assert condition.holds({"flag": steps[at]}, counts) is wanted


def test_an_episode_begins_with_nothing_held():
    condition = translate("held(2, flag)", NAMES, ["flag"]).compile()
    first = condition.start()
    condition.holds({"flag": True}, first)
    assert not condition.holds({"flag": True}, condition.start()) and condition.holds({"flag": True}, first)


def test_lengths_and_distances_of_vectors():
    names = {"a": ("x", "y"), "b": ("x", "y")}
    values = {"a": [0.0, 3.0], "b": [4.0, 0.0]}
    for text, wanted in (
        ("distance(a, b) == 5", True), ("norm(a) == 3", True), ("sqrt(b.x) == 2", True), ("norm(b) < 4", False),
        ("a[1] - b[0] == -1", True), ("a[-1] == 3", True), ("max(a) == 3", True),
    ):  # fmt: skip
        condition = translate(text, names).compile()
        assert condition.holds(values, condition.start()) is wanted, text
    assert math.dist(values["a"], values["b"]) == 5


@pytest.mark.parametrize(
    "text, told",
    [
        ("v.z > 1", "v has no entry `z`; it has x, y"),
        ("v > 1 and x.y > 1", "x is a number"),
        ("v[x] > 1", "give one index or key"),
        ("held(x, y > 1)", "write held(k, condition) with a number of steps k"),
        ("held(0, y > 1)", "write held(k, condition)"),
        ("v > 1", "`v` is a vector of numbers; name an entry, as in `v.x`"),
        ("v[2] > 1", "v has 2 entries, x, y"),
        ("norm(x) > 1", "`x` is no vector, and norm takes one vector"),
        ("distance(v) > 1", "has 1 arguments, and distance takes two vectors"),
        ("abs(x, y) > 1", "has 2 arguments, and abs takes one number"),
        ("held(True, flag)", "write held(k, condition)"),
        ("held(3, x)", "`x` in held is a number, neither true nor false"),
        ("info[0] > 1", "`info` is a dict"),
        ("norm(v)", "it is a number, neither true nor false"),
        ("info.a.b.c()", "is not allowed"),
        ("(lambda: 1)()", "is not allowed"),
        ("().__class__", "is not allowed"),
        ("info.x ** 9 > 1", "is not allowed"),
        ("return > 3", "the return of an episode is called `episode_return`"),
        ("x = 3", ""),
        ("not " * 3000 + "flag", ""),
    ],
)
def test_what_a_condition_may_not_be_is_told(text, told):
    with pytest.raises(UsageError) as caught:
        translate(text, NAMES, ["flag"])
    assert told in caught.value.cause and "\n" not in caught.value.cause and len(caught.value.cause) < 1000


def test_the_infos_that_a_condition_reads_are_known():
    assert translate("info.a.b > 1 and info['c'] or info.a.d", NAMES).infos == ("a", "c")

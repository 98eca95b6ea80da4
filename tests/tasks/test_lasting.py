"""Success conditions that require the agent to last until the end."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewardsmith.tasks.described.conditions import translate
from rewardsmith.tasks.described.lasting import requires_lasting

RANGES = {"x": (-5.0, 5.0), "y": (float("-inf"), float("inf"))}
LASTING = [
    "truncated",
    "step >= 200",
    "length >= 200",
    "held(300, abs(x) < 1)",
    "step >= 500",
    "step > 5",
    "200 <= step",
    "truncated or step >= 300",
    "truncated and abs(x) < 2",
    "not terminated and step >= 500",
    "step / 500 >= 1",
    "not step < 400 and not terminated",
    "truncated and x < 2 and x > -2",
    "truncated or x > 6",  # x never is
]
NOT_LASTING = [
    "terminated",
    "terminated and x > 3",
    "terminated and not truncated",
    "not truncated",
    "not terminated",
    "terminated and step >= 100",
    "terminated and step < 100",
    "truncated or x > 3",
    "truncated or terminated",
    "x > 3",
    "abs(y) < 0.1 and step >= 2",
    "x * y > 3 or truncated",
    "x / y > 3 or truncated",
    "terminated and truncated",
    "step < 100",
    "x > 6",  # never
    "not a condition (",
]


@pytest.mark.parametrize("success", LASTING)
def test_conditions_that_require_lasting_are_recognised(success: str) -> None:
    assert requires_lasting(success, RANGES, 500)


@pytest.mark.parametrize("success", NOT_LASTING)
def test_conditions_that_can_hold_early_do_not_require_lasting(success: str) -> None:
    assert not requires_lasting(success, RANGES, 500)


numbers = st.integers(-3, 12).map(str)
values = st.sampled_from(["x", "y", "step"])
atoms = st.one_of(
    st.sampled_from(["terminated", "truncated"]),
    st.builds("{} {} {}".format, values, st.sampled_from(["<", "<=", ">", ">=", "=="]), numbers),
    st.builds("abs({} - {}) * {} >= {}".format, values, numbers, numbers, values),
)
conditions = st.recursive(
    atoms,
    lambda inner: st.one_of(
        st.builds("({} and {})".format, inner, inner),
        st.builds("({} or {})".format, inner, inner),
        st.builds("(not {})".format, inner),
    ),
    max_leaves=5,
)


@given(conditions, st.floats(-5, 5), st.floats(-100, 100), st.integers(1, 10), st.booleans())
def test_a_condition_met_at_a_first_step_never_requires_lasting(
    success: str, x: float, y: float, step: int, terminated: bool
) -> None:
    condition = translate(success, dict.fromkeys(RANGES)).compile()
    if condition.holds({"x": x, "y": y, "step": 1, "terminated": terminated, "truncated": False}, condition.start()):
        assert not requires_lasting(success, RANGES, 10)

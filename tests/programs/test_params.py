"""PARAMS: the numbers that a program leaves open."""

from __future__ import annotations

import pytest

from rewardsmith.errors import UsageError
from rewardsmith.programs.params import ranges_of, with_values
from rewardsmith.programs.reward import source_hash

PROGRAM = """PARAMS = {
    "near": (0.01, 0.3),
    "slope": (-1.0, 3.0), "fixed": 2}


def reward(prev, action, state, memory):
    return PARAMS["near"] * PARAMS["fixed"]
"""


def test_a_program_holds_the_chosen_values_as_constants():
    assert ranges_of(PROGRAM) == {"near": (0.01, 0.3), "slope": (-1.0, 3.0)}
    middle, chosen = with_values(PROGRAM, {}), with_values(PROGRAM, {"near": 0.2})
    assert middle.startswith("PARAMS = {'near': 0.0547723, 'slope': 1.0, 'fixed': 2.0}\n")
    assert "'near': 0.2" in chosen and source_hash(chosen) != source_hash(middle)
    assert with_values(chosen, {}) == chosen and ranges_of(chosen) == {}
    scope: dict = {}
    exec(chosen, scope)
    assert scope["reward"](None, 0, None, {}) == 0.4


@pytest.mark.parametrize(
    "text, words",
    [
        ("PARAMS = {'a': (3, 1)}", "no range"),
        ("PARAMS = {'a': (1, 2, 3)}", "neither a number nor two numbers"),
        ("PARAMS = {'a': 'x'}", "neither a number nor two numbers"),
        ("PARAMS = dict(a=(1, 2))", "no dict of 1 to 16 entries"),
        ("PARAMS = {1: (1, 2)}", "no string"),
        ("PARAMS = {'a': (1, 2)}\nPARAMS = {'a': (1, 2)}", "twice"),
    ],
)
def test_ranges_of_another_form_are_cause_and_remedy(text, words):
    with pytest.raises(UsageError, match=words) as caught:
        ranges_of(text)
    assert len(str(caught.value).splitlines()) == 2


def test_values_stay_within_their_ranges():
    with pytest.raises(UsageError, match="out of range"):
        with_values(PROGRAM, {"near": 0.5})
    with pytest.raises(UsageError, match="declares no range 'far'"):
        with_values(PROGRAM, {"far": 0.5})

"""Programs that differ in form only are duplicates; programs that may pay differently are not."""

from __future__ import annotations

import pytest

from rewardsmith.programs.duplicates import normal_form

BASE = """
SCALE = 2.0

def near(state):
    gap = abs(state.x)
    return -SCALE * gap

def reward(prev, action, state, memory):
    best = [near(s) for s in (prev, state)]
    return {"near": best[1] - best[0]}
"""


@pytest.mark.parametrize(
    "change",
    [
        lambda s: s.replace("gap", "distance"),
        lambda s: s.replace("prev,", "before,").replace("(prev", "(before"),
        lambda s: s.replace("    gap =", '    """How near."""\n    # the gap\n    gap  =  '),
        lambda s: s.replace("s in", "each in").replace("near(s)", "near(each)"),
    ],
)
def test_programs_that_differ_in_names_or_comments_are_duplicates(change):
    assert change(BASE) != BASE
    assert normal_form(change(BASE)) == normal_form(BASE)


@pytest.mark.parametrize(
    "change",
    [
        lambda s: s.replace("2.0", "2.5"),
        lambda s: s.replace("best[1] - best[0]", "best[0] - best[1]"),
        lambda s: s.replace('"near"', '"far"'),
        lambda s: s.replace("state.x", "state.y"),
        lambda s: s.replace("-SCALE * gap", "-gap * SCALE"),
        lambda s: s.replace("(prev, state)", "(state, prev)"),
    ],
)
def test_programs_that_may_pay_differently_are_no_duplicates(change):
    assert normal_form(change(BASE)) != normal_form(BASE)


def test_unparsable_programs_are_compared_as_text():
    assert normal_form("def (") == "def ("

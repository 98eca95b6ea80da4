"""Programs that differ in looks only are told to be the same; those that pay differently are not."""

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
def test_names_comments_docstrings_and_layout_make_no_difference(change):
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
def test_what_could_pay_differently_is_another_program(change):
    assert normal_form(change(BASE)) != normal_form(BASE)


def test_a_text_that_is_no_program_is_compared_as_text():
    assert normal_form("def (") == "def ("

"""The source of a Python function as a program: what it needs comes along, and what cannot is named."""

from __future__ import annotations

import functools
import math
from math import hypot as length

import numpy as np
import pytest

from rewardsmith.programs.functions import NotPortable, program_of_function, source_of
from rewardsmith.syntax import parse_module

SCALE, TABLE, LIMIT = 0.5, {"far": math.inf, "near": (1, 2)}, np.arange(3) / 2
STORE: object = object()


def scaled(x):
    return length(x, SCALE)


def distance(obs, action, next_obs, info):
    return scaled(LIMIT[0]) + np.exp(TABLE["near"][0])


def stored(obs, action, next_obs, info):
    return float(STORE is None)


def counting(obs, action, next_obs, info):
    global SCALE
    SCALE += 1
    return SCALE


def around(factor):
    def inner(obs, action, next_obs, info):
        return factor

    return inner


def test_a_function_brings_the_globals_that_it_reads():
    found = source_of(distance)
    names: dict[str, object] = {}
    exec(found.text, names)  # a test's own text
    assert names["distance"](None, 0, None, {}) == distance(None, 0, None, {})
    assert "STORE" not in found.text


def test_a_function_keeps_the_line_numbers_of_its_file():
    found = source_of(distance)
    line = next(n.lineno for n in parse_module(found.text).body if getattr(n, "name", "") == "distance")
    assert line == found.line == distance.__code__.co_firstlineno


def test_one_of_several_lambdas_on_a_line_is_found():
    first, second = (lambda o, a, n, i: (n == 15) * 1.0), lambda o, a, n, i: float(n)
    assert "(n == 15) * 1.0" in source_of(first).text
    assert "float(n)" in source_of(second).text


@pytest.mark.parametrize(
    ("function", "told"),
    [
        (around(2), "closure: it reads `factor`"),
        (stored, "reads `STORE`, a object"),
        (counting, "changes the global `SCALE`"),
        (functools.partial(distance, 1), "is a partial"),
        (np.sin, "is a ufunc"),
    ],
)
def test_what_needs_its_own_process_is_named(function, told):
    with pytest.raises(NotPortable, match=told):
        source_of(function)


def test_a_function_with_the_parameters_of_a_program_becomes_one():
    def mine(prev, action, state, memory):
        return 1.0

    assert "def reward(prev, action, state, memory):\n    return mine(" in program_of_function(mine)

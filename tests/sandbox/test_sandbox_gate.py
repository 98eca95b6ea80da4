"""Findings of the gate: the line, the fault, the remedy."""

from __future__ import annotations

import pytest

from sandbox import findings, gate, process
from sandbox.client import HostError, Limits
from sandbox.client import gate as gate_in_host

HEAD = "def reward(prev, action, state, memory):\n"


def found(source: str) -> list[gate.Finding]:
    return gate.check(source, ["reward"], {"walk": "walk_distance"}, ["left", "forward"])


@pytest.mark.parametrize(
    ("source", "line", "words"),
    [
        ("def reward(:\n", 1, "syntax"),
        ("x = 1\n", 1, "missing"),
        ("def reward(state):\n    return 1.0\n", 1, "parameters"),
        ("def reward(a, b, c, d, e):\n    return 1.0\n", 1, "parameters"),
        ("async def reward(prev, action, state, memory):\n    return 1.0\n", 1, "plain function"),
        (HEAD + "    yield 1.0\n", 1, "plain function"),
        (HEAD + "    pass\n", 1, "returns nothing"),
        ("import os\n" + HEAD + "    return 1.0\n", 1, "import os"),
        ("import random\n" + HEAD + "    return 1.0\n", 1, "import random"),
        ("from time import time\n" + HEAD + "    return 1.0\n", 1, "time"),
        ("from . import x\n" + HEAD + "    return 1.0\n", 1, "not allowed"),
        ("from numpy import load\n" + HEAD + "    return 1.0\n", 1, "numpy.load"),
        ("import numpy as np\n" + HEAD + "    return np.random.rand()\n", 3, "numpy.random"),
        ("import numpy as np\n" + HEAD + "    return np.linalg.svd(1)\n", 3, "numpy.linalg.svd"),
        (HEAD + "    return state.__class__\n", 2, "__class__"),
        (HEAD + "    return state._row[0]\n", 2, "_row"),
        (HEAD + "    return __builtins__\n", 2, "__builtins__"),
        (HEAD + "    open('x')\n    return 1.0\n", 2, "open"),
        (HEAD + "    return eval('1')\n", 2, "eval"),
        (HEAD + "    print(1)\n    return 1.0\n", 2, "print"),
        (HEAD + "    return getattr(state, 'x' + 'y')\n", 2, "computed name"),
        (HEAD + "    return getattr(state, '_row')\n", 2, "private"),
        (HEAD + "    return '{0._row}'.format(state)\n", 2, "format"),
        (HEAD + "    return state.walk\n", 2, "not declared"),
        ("USES = ['flying']\n" + HEAD + "    return 1.0\n", 1, "flying"),
        ("USES = 'walk_distance'\n" + HEAD + "    return 1.0\n", 1, "USES"),
        ("SEEN = []\n" + HEAD + "    SEEN.append(1)\n    return 1.0\n", 3, "SEEN is shared"),
        ("SEEN = {}\n" + HEAD + "    SEEN['a'] = 1\n    return 1.0\n", 3, "SEEN is shared"),
        ("SEEN = {}\n" + HEAD + "    SEEN['a'] += 1\n    return 1.0\n", 3, "SEEN is shared"),
        ("N = 0\n" + HEAD + "    global N\n    N += 1\n    return N\n", 3, "global N"),
        ("import itertools\nC = itertools.count()\n" + HEAD + "    return next(C)\n", 4, "C is shared"),
        ("G = (k for k in range(9))\n" + HEAD + "    return next(G)\n", 3, "G is shared"),
        ("G = iter([1, 2])\n" + HEAD + "    for k in G:\n        return k\n", 3, "the iterator G is shared"),
        ("from copy import copy\n" + HEAD + "    copy.n = 1\n    return 1.0\n", 3, "copy is shared"),
        ("from functools import cache\nf = cache(abs)\n" + HEAD + "    return f.cache_info().hits\n", 4, "cache_info"),
        (
            "from collections.abc import Sized\nclass A: pass\n" + HEAD + "    Sized.register(A)\n    return 1.0\n",
            4,
            "a registration is shared",
        ),
        ("class A:\n    n = 0\n" + HEAD + "    A.n += 1\n    return 1.0\n", 4, "A is shared"),
        (HEAD + "    reward.n = 1\n    return 1.0\n", 2, "reward is shared"),
        ("def f(x, seen=[]):\n    seen.append(x)\n" + HEAD + "    return 1.0\n", 1, "default of seen"),
        (HEAD + "    memory = {}\n    return 1.0\n", 1, "memory is assigned a new object"),
        (HEAD + "    state.open = True\n    return 1.0\n", 2, "read-only"),
        (HEAD + "    while True:\n        pass\n    return 1.0\n", 2, "never ends"),
        (HEAD + "    return undefined_thing\n", 2, "not defined"),
        (HEAD + "    return np.abs(1)\n", 2, "np is not defined"),
        ("x" * 200_000, 1, "characters"),
    ],
)
def test_a_fault_is_found_on_its_line(source: str, line: int, words: str) -> None:
    reported = found(source)
    assert any(f.line == line and words in f.message and f.remedy for f in reported), reported


def test_a_local_list_is_not_shared_state() -> None:
    assert found("SEEN = []\n" + HEAD + "    SEEN = []\n    SEEN.append(1)\n    return 1.0\n") == []


def test_other_contracts_have_their_own_parameters() -> None:
    source = "def potential(state, memory):\n    return 0.0\n"
    source += "def factors(prev, action, state):\n    return {'a': 1.0}\n"
    assert gate.check(source, ["potential", "factors(prev, action, state)"]) == []
    assert gate.check(source, ["reward"])[0].message == "the function reward is missing"


def test_text_that_breaks_the_parser_is_a_finding_or_a_host_error() -> None:
    bombs = ["(" * 50_000, "-" * 90_000 + "1", "a" + ".a" * 45_000, "\0", "x = '" + "\\N{" * 9]
    for bomb in bombs:
        try:
            assert gate_in_host(bomb, ["reward"], limits=Limits(load_seconds=3.0)) != []
        except HostError as problem:
            assert problem.cause in ("died", "memory", "timeout")


@pytest.mark.parametrize(
    "name",
    [
        "\n" + "9" * 5000 + "\tx",
        "\n7\tforged\tforged",
        "\t",
        "\x1b[2J",
        "\u202eabc",
        "\u2028",
        "\ud800",
        "x" * 90_000,
        "\\",
    ],
    ids=["digits", "line", "tab", "escape", "right to left", "line separator", "surrogate", "long", "backslash"],
)
def test_a_name_in_a_finding_cannot_end_its_line(name: str) -> None:
    source = f"USES = [{name!a}]\n" + HEAD + "    return 1.0\n"
    finding, *others = gate_in_host(source, ["reward"])
    assert others == [] and finding.line == 1 and finding.message.startswith("USES names '")
    assert finding.message.isprintable() and finding.remedy.isprintable()
    assert gate.check(source, ["reward"]) == [finding]


def test_many_names_that_forge_lines_are_findings_of_the_line_they_are_on() -> None:
    names = [f"\n{k}\tforged\tforged" for k in range(2000)]
    reported = gate_in_host(f"USES = {names!r}\n" + HEAD + "    return 1.0\n", ["reward"])
    assert 1 <= len(reported) <= findings.MAX_FINDINGS and {f.line for f in reported} == {1}


def test_findings_are_returned_up_to_the_message_limit() -> None:
    names = ["\U0001f600" * 400 + str(k) for k in range(40)]
    reported = gate_in_host(f"USES = {names!r}\n" + HEAD + "    return 1.0\n", ["reward"])
    assert 1 < len(reported) <= findings.MAX_FINDINGS and all("known features" in f.remedy for f in reported)


@pytest.mark.parametrize(
    "text",
    ["9" * 5000 + "\tx\ty", "1\tx", "x\ty\tz", "1\ta\tb\tc", "1\ta\tb\n", "\u0661\ta\tb", "1\ta\tb\n" * 31 + "1\ta\tb"],
)
def test_malformed_findings_are_refused(text: str) -> None:
    with pytest.raises(ValueError):
        findings.parse_findings(text)


def test_a_malformed_answer_of_the_gate_is_a_host_error(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = iter(["", "9" * 5000 + "\tx\ty"])  # of the start, of the findings
    monkeypatch.setattr(process.HostProcess, "text", lambda *_: next(texts))
    with pytest.raises(HostError, match="findings") as raised:
        gate_in_host(HEAD + "    return 1.0\n", ["reward"], allow="none")
    assert raised.value.cause == "protocol"


@pytest.mark.parametrize(
    "body",
    ["    other = state\n    return other._row[1]\n", "    cls = state\n    return len(cls._value2member_map_)\n"],
)
def test_a_private_attribute_stays_private_on_an_object_of_the_program(body):
    found = gate.check("def reward(prev, action, state, memory):\n" + body, ["reward"])
    assert ["is private" in f.message for f in found] == [True]


def test_a_function_with_a_rebound_name_may_read_its_action():
    plain = "def reward(prev, action, state, memory):\n    return 1.0\n"
    assert gate.ignores_action(plain, ["reward"])
    assert not gate.ignores_action(plain + "match max:\n    case reward:\n        pass\n", ["reward"])
    assert not gate.ignores_action(plain + "class reward:\n    pass\n", ["reward"])

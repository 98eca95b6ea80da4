"""Reading programs and JSON out of answers in the many styles that models write them."""

from __future__ import annotations

import ast
import re
import time
from typing import Literal

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict

from rewardsmith.methods.labelling.labeller import read_words
from rewardsmith.programs.json_answers import json_pieces
from rewardsmith.programs.reading import (
    MAX_SOURCE_BYTES,
    UnreadableAnswer,
    parse,
    read_json,
    read_program,
)

CODE = """\
def reward(prev, action, state, memory):
    if state.success:
        return {"done": 1.0}
    return 0.0"""
DRAFT = "def reward(*anything):\n    return 9"
STUB = "def reward(prev, action, state, memory):\n    ..."
SPARSE = "def sparse(prev, action, state, memory):\n    return 1.0 if state.success else 0.0"
DENSE = "def dense(prev, action, state, memory):\n    return nearness(prev) - nearness(state)"
HELPER = "import math\n\nWEIGHT = 0.5\n\ndef nearness(state):\n    return -WEIGHT * math.sqrt(state.distance)"


def fence(code: str, tag: str = "python", mark: str = "```") -> str:
    return f"{mark}{tag}\n{code}\n{mark}"


def indented(text: str, by: str) -> str:
    return "\n".join(by + line for line in text.split("\n"))


STYLES = {
    "one fence": fence(CODE),
    "fence among prose": f"Here it is:\n\n{fence(CODE)}\n\nIt pays once.",
    "no tag": fence(CODE, ""),
    "capital tag": fence(CODE, "Python"),
    "short tag": fence(CODE, "py"),
    "tag with a title": fence(CODE, 'python title="reward.py"'),
    "wrong tag": fence(CODE, "javascript"),
    "json tag": fence(CODE, "json"),
    "tildes": fence(CODE, "python", "~~~"),
    "four backticks": fence(CODE, "python", "````"),
    "indented fence": indented(fence(CODE), "   "),
    "fence in a list item": "1. The reward:\n" + indented(fence(CODE), "   "),
    "fence behind a bullet": "- " + fence(CODE).replace("\n", "\n  "),
    "quoted fence": indented(fence(CODE), "> "),
    "indented code in a fence": fence(indented(CODE, "    ")),
    "no fence": CODE,
    "no fence among prose": f"The reward is this one.\n\n{CODE}\n\nIt pays for success, nothing else.",
    "no fence, prose right behind": f"Reward:\n{CODE}\nThat is all.",
    "four-blank Markdown code": f"The reward:\n\n{indented(CODE, '    ')}\n\nGood luck.",
    "only the closing fence": f"{CODE}\n```\n",
    "no closing fence": f"Here:\n```python\n{CODE}\n",
    "fence closed behind the code": f"```python\n{CODE}```\nIt pays once.",
    "windows newlines": f"Here:\n{fence(CODE)}\n".replace("\n", "\r\n"),
    "old mac newlines": fence(CODE).replace("\n", "\r"),
    "byte order mark": "\ufeff" + CODE,
    "no-break blanks": fence(CODE.replace("    ", "\u00a0" * 4)),
    "zero-width blanks": fence(CODE.replace("def ", "def \u200b")),
    "reasoning before": f"<think>Maybe\n{fence(DRAFT)}</think>{fence(CODE)}",
    "reasoning without opening": f"First I thought {fence('x = 1')}\n</think>\n\n{fence(CODE)}",
    "thinking tag": f"<THINKING>hm</THINKING>\n{CODE}",
    "code tag": f"<code>\n{CODE}\n</code>",
    "a draft, then the answer": f"{fence(CODE.replace('1.0', '2.0'))}\nBetter:\n{fence(CODE)}",
    "then an example of use": f"{fence(CODE)}\nUse it so:\n{fence('total = reward(a, 0, b, {})')}",
    "an example that binds an argument's name": f"{fence(CODE)}\n{fence('state = make()')}",
    "the signature first": f"{fence(STUB)}\n{fence(CODE)}",
    "the signature afterwards": f"{fence(CODE)}\nas asked:\n{fence(STUB)}",
    "blocks of other languages": f"{fence('pip install x', 'bash')}\n{fence(CODE)}\n{fence('{}', 'json')}",
    "a Markdown answer in a fence": f"```markdown\n# Reward\n{fence(CODE)}\n```",
    "headings": f"## Reward\n\n{fence(CODE)}\n\n## Why\n\nIt pays once.",
    "mentions the tag in prose": f"{fence(CODE)}\nI did not use <think> here.",
}


@pytest.mark.parametrize("style", STYLES)
def test_the_program_is_found_in_every_style(style: str) -> None:
    read = read_program(STYLES[style], ("reward",))
    assert ast.dump(ast.parse(read.source)) == ast.dump(ast.parse(CODE))


def test_text_around_the_program_is_kept_as_thoughts() -> None:
    read = read_program(f"<think>Keys open doors.</think>\nI pay once.\n\n{fence(CODE)}\n\nThat is safe.", ("reward",))
    assert read.source == CODE + "\n"
    assert read.thoughts == "Keys open doors.\n\nI pay once.\n\nThat is safe."
    assert read_program(CODE, ("reward",)).thoughts == ""


@pytest.mark.parametrize(
    "text",
    [
        f"{fence(HELPER)}\nthen\n{fence(DENSE)}\nand\n{fence(SPARSE)}",
        f"{fence(SPARSE)}\n{fence(DENSE)}\nwith\n{fence(HELPER)}",
        f"{fence(HELPER + chr(10) * 2 + DENSE)}\n{fence(SPARSE)}",
        f"First the helper.\n{HELPER}\n\nThen\n\n{DENSE}\n\nand\n{SPARSE}\n\nDone: nothing else is needed.",
        f"{fence(SPARSE.replace('1.0', '7.0'))}\n{fence(HELPER)}\n{fence(DENSE)}\n{fence(SPARSE)}",
    ],
    ids=["helper first", "helper last", "helper within", "no fences", "an old version"],
)
def test_a_program_split_over_blocks_is_joined_with_its_helpers(text: str) -> None:
    read = read_program(text, ("dense", "sparse"))
    names = {node.name for node in ast.parse(read.source).body if isinstance(node, ast.FunctionDef)}
    assert names == {"dense", "sparse", "nearness"}
    assert "import math" in read.source
    assert "WEIGHT = 0.5" in read.source
    assert "7.0" not in read.source


def test_a_later_version_of_one_function_replaces_the_earlier_one() -> None:
    text = f"{fence(SPARSE + chr(10) * 2 + CODE)}\nCorrection:\n{fence(SPARSE.replace('1.0', '3.0'))}"
    source = read_program(text, ("reward", "sparse")).source
    assert source.index("3.0") > source.index("1.0")


def test_declared_features_and_named_predicates_are_kept() -> None:
    subgoals = 'def subgoals():\n    return ["has_key"]'
    predicate = "def has_key(prev, action, state):\n    return state.carrying is not None"
    text = "\n".join(fence(code) for code in ('USES = ["walk_distance"]', subgoals, predicate, "print(subgoals())"))
    source = read_program(text, ("subgoals",)).source
    assert "USES" in source
    assert "def has_key" in source
    assert "print" not in source


def test_a_lambda_counts_as_a_function() -> None:
    assert read_program("reward = lambda prev, action, state, memory: 0.0", ("reward",)).source


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        (" \n\u200b", "empty"),
        ("I cannot help with that.", "no Python program"),
        ("Try rewarding the agent for def-initely moving.", "no Python program"),
        (fence("def bonus(state):\n    return 1.0"), "does not define `reward`; it defines `bonus`"),
        (fence("def reward(:\n    return 1"), "Syntax error in line 1"),
        (fence("def reward(s):\nreturn 1"), "Syntax error in line 2: expected an indented block"),
        (f"```python\n{CODE}\n    x = (1 +", "cut off before its end. Syntax error"),
        (f"{fence(CODE)}\nBetter:\n```python\ndef reward(p, a, s, m):\n    return (", "cut off"),
        (fence(f"class Reward:\n{indented(CODE, '    ')}"), "`reward` is a method of a class"),
        (fence(f"async {CODE}"), "`reward` is `async`"),
        (fence("def reward(prev, action, state, memory):\n    '''Pays.'''\n    ..."), "no body"),
        ("<think>Let me see. " + fence(CODE), "reasoning did not end"),
        ("<think>Let me see.</think>\n", "no answer after it"),
        (fence(CODE + "\n    s = '\0'"), "null bytes"),
        (fence(CODE + "\n    s = '\ud800'"), "not valid Python text"),
        (fence(CODE + "\n" + "# filler\n" * 8000), "longer than 64 kB"),
        ("x" * 2_000_000, "longer than 512 kB"),
        (fence("if True:\n" + indented(CODE, "    ")), "`reward` is defined within `if`"),
        (fence(f"def make():\n{indented(CODE, '    ')}\n    return reward"), "`reward` is defined within `make`"),
    ],
)
def test_an_unreadable_answer_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(UnreadableAnswer) as caught:
        read_program(text, ("reward",))
    assert reason in caught.value.reason


def test_a_helper_that_does_not_parse_is_reported_not_left_out() -> None:
    text = f"{fence(DENSE)}\nwith\n{fence('def nearness(state:' + chr(10) + '    return 1')}"
    with pytest.raises(UnreadableAnswer, match="Syntax error"):
        read_program(text, ("dense",))


def test_blocks_too_large_together_are_refused() -> None:
    half = "# " + "x" * (MAX_SOURCE_BYTES // 2 + 100)
    with pytest.raises(UnreadableAnswer, match="64 kB"):
        read_program(f"{fence(SPARSE + chr(10) + half)}\n{fence(DENSE + chr(10) + half)}", ("dense", "sparse"))


DEEP = {
    "parentheses": "(" * 20_000,
    "closed parentheses": "(" * 20_000 + "1" + ")" * 20_000,
    "signs": "-" * 60_000 + "1",
    "negations": "not " * 15_000 + "1",
    "sums": "1" + "+1" * 30_000,
    "attributes": "a" + ".a" * 30_000,
    "calls": "a" + "()" * 30_000,
    "conditionals": "1 if a else " * 5_000 + "1",
    "lambdas": "lambda: " * 8_000 + "1",
    "comparisons": "1" + "<1" * 30_000,
    "powers": "1" + "**1" * 20_000,
    "brackets": "[" * 30_000 + "]" * 30_000,
    "braces": "{1:" * 20_000,
    "digits": "9" * 60_000,
    "starred": "*" * 60_000,
    "f-strings": "f'{" * 10_000,
}


@pytest.mark.parametrize("kind", DEEP)
def test_deep_nesting_never_crashes_the_parser(kind: str) -> None:
    for source in (f"x = {DEEP[kind]}", f"{CODE}\n    return {DEEP[kind]}"):
        try:
            parse(source)
        except UnreadableAnswer as error:
            assert error.reason


def test_deep_blocks_are_refused_or_read() -> None:
    elifs = "def reward(p, a, s, m):\n    if a: return 0\n" + "    elif a: return 0\n" * 3_000
    nested = "def reward(p, a, s, m):\n" + "".join(" " * (n + 1) + "if a:\n" for n in range(300)) + " " * 301 + "x=1"
    for source in (elifs, nested):
        try:
            read_program(source, ("reward",))
        except UnreadableAnswer as error:
            assert error.reason


def test_reading_executes_nothing(tmp_path) -> None:
    target = tmp_path / "touched"
    read_program(fence(f"open({str(target)!r}, 'w')\n{CODE}"), ("reward",))
    assert not target.exists()


SIZE = 500_000
HOSTILE = {
    "open tags": "<think>",
    "tags": "<think></think>",
    "backticks": "```\n",
    "one line of backticks": "`",
    "blanks": " ",
    "a name and blanks": "x: ",
    "tabs and blanks": "\t \n",
    "braces": "{",
    "closing braces": "[}",
    "quotes": '{"',
    "only quotes": '"',
    "brackets": "[1, ",
    "statements": "x = 1\n",
    "defs": "def f(\n",
    "decorators": "@a\n",
    "comments": "#\n",
    "returns": "\r",
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_text_is_read_in_bounded_time(kind: str) -> None:
    started = time.monotonic()
    for read in (lambda text: read_program(text, ("reward",)), lambda text: read_json(text, Review)):
        try:
            read("-" + HOSTILE[kind] * (SIZE // len(HOSTILE[kind])) + "x")
        except UnreadableAnswer as error:
            assert len(error.reason) < 2_000
    assert time.monotonic() - started < 10


LARGEST = 512 * 1024


def filled(unit: str, before: str = "", after: str = "") -> str:
    """An answer of the largest size that is read."""
    return before + unit * ((LARGEST - len(before + after)) // len(unit)) + after


MINUTES_IF_QUADRATIC = {
    "escaped quotes in a brace": filled('\\"', "{"),
    "escaped quotes in a brace on many lines": filled('\\"' * 50 + "\n", "{"),
    "escaped quotes outside": filled('\\"'),
    "open strings": filled('{"'),
    "a string of backslashes": filled("\\", '{"'),
    "a fence of another kind": filled("~", "", "`"),
    "newlines in a string": filled("\\n", '[{"a": "', '"}]'),
    "blank lines behind a number": filled("\n", "1"),
    "empty objects": filled("{}"),
    "objects of another kind": filled('{"a": 1}\n'),
    "a number of many digits": filled("1", '{"confidence": ', "}"),
    "a key of many letters": filled("k", '{"', '": 1}'),
    "deep lists of objects": '[{"a":' * 450 + '"def f("' + "}]" * 450,
    "a chain of definitions that need many names": "".join(
        fence(f"def f{i}():\n    return (f{i + 1}, " + ", ".join(f"n{i}_{j}" for j in range(40)) + ")") + "\n"
        for i in range(900)
    )
    + fence("def reward(p, a, s, m):\n    return f0()"),
    "fences within strings": "```\n'''\n" + "```\n" * 18 + "'''\n" + "x = 1\n" * 14_000 + "(\n" + "```\n" * 20,
}


@pytest.mark.parametrize("kind", MINUTES_IF_QUADRATIC)
def test_the_time_to_read_grows_with_the_length_and_no_faster(kind: str) -> None:
    text = MINUTES_IF_QUADRATIC[kind]
    assert len(text.encode()) <= LARGEST
    for read in (lambda: read_program(text, ("reward",)), lambda: read_json(text, Review), lambda: read_words(text, 5)):
        try:
            read()
        except UnreadableAnswer as error:
            assert len(error.reason) < 2_000


def pieces_by_definition(text: str) -> list[str]:
    """The expected result of `json_pieces`, found by a new search at every quotation mark."""
    token_of = re.compile(r'"(?:[^"\\\n]|\\.)*"|[{}\[\]]')
    pairs, opened, position = [], [], 0
    while token := token_of.search(text, position):
        position = token.end() if opened or token[0][0] != '"' else token.start() + 1
        if token[0] in ("{", "["):
            opened.append(token.start())
        elif token[0] in ("}", "]") and opened and text[opened[-1]] == ("{" if token[0] == "}" else "["):
            pairs.append((opened.pop(), token.end()))
    pairs += [(start, len(text)) for start in opened if re.match(r'\{\s*"', text[start:])][:1]
    outermost, end = [], 0
    for start, stop in sorted(pairs):
        if start >= end:
            outermost.append(text[start:stop])
            end = stop
    return outermost


@settings(max_examples=500, deadline=None)
@example('[",\n"]"')
@given(st.text(alphabet=st.sampled_from(list('{}[]""\\\\ \na,')), max_size=40))
def test_json_fragments_match_their_definition(text: str) -> None:
    assert json_pieces(text) == pieces_by_definition(text)


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet=st.sampled_from(list("`~<>/thinkdefrwa():=\n \t{}[]\"'#\r\0\ud800")), max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    for read in (lambda: read_program(text, ("reward",)), lambda: read_json(text, Review)):
        try:
            read()
        except UnreadableAnswer as error:
            assert error.reason


@settings(max_examples=100, deadline=None)
@given(st.integers(0, len(CODE)))
def test_a_truncated_program_is_refused_or_still_a_program(length: int) -> None:
    try:
        source = read_program(f"```python\n{CODE[:length]}", ("reward",)).source
    except UnreadableAnswer:
        return
    assert "reward" in {node.name for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)}


# ---- JSON


class Review(BaseModel):
    model_config = ConfigDict(extra="forbid")

    verdict: Literal["accept", "revise"]
    problems: list[str]
    confidence: float = 0.5


class Lenient(BaseModel):
    name: str = "nobody"


OBJECT = '{"verdict": "revise", "problems": ["pays {each} step", "a \\"hack\\""], "confidence": 0.9}'


@pytest.mark.parametrize(
    "text",
    [
        OBJECT,
        fence(OBJECT, "json"),
        fence(OBJECT, ""),
        f"My review:\n{fence(OBJECT, 'json')}\nI hope it helps {{}}.",
        f"My review: {OBJECT} and that is it.",
        f"The set {{x}} and the interval [0, 1) matter [1].\n{OBJECT}",
        f"<think>{{'verdict': 1}}</think>{OBJECT}",
        f"A first try {OBJECT.replace('0.9', '0.1')} and the final one: {OBJECT}",
        f"{fence(OBJECT, 'json')}\nwhere an acceptance would read {OBJECT.replace('revise', 'accept')}",
        OBJECT.replace(", ", ",\r\n"),
        "```json\n" + OBJECT,
    ],
)
def test_an_object_is_found_fenced_or_bare(text: str) -> None:
    review = read_json(text, Review)
    assert review == Review(verdict="revise", problems=["pays {each} step", 'a "hack"'], confidence=0.9)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        ("Looks fine to me.", "no JSON object"),
        (
            '{"verdict": "maybe", "problems": []}',
            "`verdict`: Input should be 'accept' or 'revise', not 'maybe'",
        ),
        ('{"verdict": "accept"}', "`problems`: Field required."),
        ('{"verdict": "accept", "problems": [1]}', "`problems.0`: Input should be a valid string, not 1"),
        ('{"verdict": "accept", "problems": [], "mood": 3}', "`mood`: Extra inputs are not permitted"),
        ('{"verdict": "accept", "problems": [],}', "Invalid JSON: trailing comma"),
        ('{"verdict": "accept", "problems": ["a", ', "Invalid JSON: EOF"),
        ("{'verdict': 'accept'}", "Invalid JSON"),
        ('{"a":' * 20_000, "Invalid JSON"),
    ],
)
def test_json_of_a_wrong_form_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(UnreadableAnswer) as caught:
        read_json(text, Review)
    assert reason in caught.value.reason


def test_a_fragment_of_a_broken_object_is_not_taken_for_the_whole() -> None:
    for text in ('{"name": "a", "inner": {"name": "b"},,}', '{"name": "a", "inner": [{"name": "b"}, {"na'):
        with pytest.raises(UnreadableAnswer):
            read_json(text, Lenient)
    assert read_json("{}", Lenient).name == "nobody"
    assert read_json('{"name": "x"} or {}', Lenient).name == "x"

"""Parsing of untrusted texts, of any shape and in any thread."""

from __future__ import annotations

import ast
import gc
import sys
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from rewardsmith.programs.duplicates import normal_form
from rewardsmith.programs.reading import UnreadableAnswer, parse
from rewardsmith.programs.reward import free_functions, syntax_problem, top_level_names
from rewardsmith.syntax import MAX_CHARACTERS, NotPython, parse_expression, parse_module

ROOT = Path(__file__).parents[1]
DEEP = "def f(x):\n    return " + " + ".join(["x"] * 300) + "\n"
WIDE = "".join(f"def g{i}(a):\n    return [a, (a, {{a: a}})] if a else -a\n" for i in range(60))

HOSTILE = {
    "one sign after another": "-" * 60_000 + "1",
    "a long sum": "1" + "+1" * 30_000,
    "brackets": "(" * 60_000,
    "a NUL": "x = '\0'",
    "a lone surrogate": "x = '\ud800'",
    "an integer of many digits": "x = " + "1" * 60_000,
    "attributes": "a" + ".a" * 30_000,
    "elif": "if 1: pass\n" + "elif 1: pass\n" * 4_000,
    "too many lines": "x = 1\n" * 100_000,
}


@pytest.fixture
def switching_threads() -> Iterator[None]:
    """Python code that runs in the middle of building a tree, as the garbage collector's callbacks do at times."""
    interval, thresholds = sys.getswitchinterval(), gc.get_threshold()

    def pause(*_: object) -> None:
        sum(range(3))

    sys.setswitchinterval(1e-6)
    gc.set_threshold(10, 2, 2)
    gc.callbacks.append(pause)
    yield
    gc.callbacks.remove(pause)
    gc.set_threshold(*thresholds)
    sys.setswitchinterval(interval)


def test_eight_threads_parse_at_once(switching_threads: None) -> None:
    def work(k: int) -> int:
        for turn in range(4):
            source = DEEP + WIDE + f"# {k} {turn}\n"  # a new text each time, because normal forms are cached
            parse(source)
            normal_form(source)
            top_level_names(source)
        return k

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(work, range(8))) == list(range(8))


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_is_refused_uniformly_and_without_warnings(name: str) -> None:
    text = HOSTILE[name]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(NotPython):
            parse_module(text)
        with pytest.raises(NotPython):
            parse_expression(text)
        with pytest.raises(UnreadableAnswer):
            parse(text)
        assert normal_form(text) == text
        assert top_level_names(text) == set()
        assert syntax_problem(text)
        assert free_functions(text) == ("reward",)


def test_parser_warnings_are_hidden_and_refuse_no_program() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert parse_module(r"x = '\d'").body


def test_a_text_is_measured_before_it_is_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ast, "parse", lambda *_, **__: pytest.fail("parsed"))
    with pytest.raises(NotPython, match="longer than 100,000 characters"):
        parse_module("#" * (MAX_CHARACTERS + 1))


def test_nothing_else_in_the_trusted_processes_builds_syntax_trees() -> None:
    for path in [*(ROOT / "rewardsmith").rglob("*.py"), *(ROOT / "workers").rglob("*.py")]:
        if path.name == "syntax.py" or "export_parts" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Call(func=ast.Attribute(value=ast.Name(id="ast"), attr="parse" | "literal_eval")):
                    pytest.fail(f"{path.name}:{node.lineno} parses beside rewardsmith.syntax")
                case ast.Call(func=ast.Name(id="compile" | "eval" | "exec")):
                    pytest.fail(f"{path.name}:{node.lineno} compiles")

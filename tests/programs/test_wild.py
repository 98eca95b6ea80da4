"""The corpus of completions: nearly all are read as intended, and none as another program."""

from __future__ import annotations

import ast

import pytest
from programs.wild import WILD, Case

from rewardsmith.programs.reading import UnreadableAnswer, read_program


def same(a: str, b: str) -> bool:
    return ast.dump(ast.parse(a)) == ast.dump(ast.parse(b))


def verdict(case: Case) -> str:
    """ "right", "misread" (a program that was not meant), or "lost" (no program, or no reason, where one was due)."""
    try:
        read = read_program(case.text, case.functions)
    except UnreadableAnswer as error:
        return "right" if case.refusal and case.refusal in error.reason else f"lost: {error.reason}"
    return "right" if case.program and same(read.source, case.program) else f"misread: {read.source}"


@pytest.mark.parametrize("name", WILD)
def test_no_completion_is_taken_for_another_program(name: str) -> None:
    assert not verdict(WILD[name]).startswith("misread")


def test_the_corpus_is_large_and_nearly_all_of_it_is_read_as_meant() -> None:
    wrong = {name: v for name, case in WILD.items() if (v := verdict(case)) != "right"}
    assert len(WILD) >= 160
    assert len(wrong) <= 0.02 * len(WILD), wrong

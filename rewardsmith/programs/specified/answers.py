"""Finds the JSON of a specification in an answer, or at the top of a program that was generated from one."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from rewardsmith.programs.answer_text import UnreadableAnswer, fences, plain, without_reasoning
from rewardsmith.programs.json_answers import json_pieces
from rewardsmith.programs.reading import ReadProgram, parse

MARK = "# Generated from this JSON. To change the program, change the JSON:"
_MOST_PIECES = 200


def read_specification(text: str, key: str, build: Callable[[Any], str]) -> ReadProgram:
    """Return the program built from the specification in `text`.

    Args:
        text: A model's answer, JSON alone, or a program that an earlier call returned.
        key: A key that the specification must have; a bare list counts as its value.
        build: Builds the program. Raises UnreadableAnswer.

    Raises:
        UnreadableAnswer: With every fault of the specification.
    """
    answer = plain(text)
    if (own := _of_program(answer)) is not None:
        source = build(_parsed(own))
        if _lines(answer) and _lines(source) != _lines(answer):
            raise UnreadableAnswer(
                "The code below the JSON differs from what the JSON gives, and would be lost. Change the JSON at the "
                "top only, and remove the code; or use the edited program with the method free."
            )
        return ReadProgram(source, "")
    parts = without_reasoning(answer)
    written, reasoning = parts.answer, parts.reasoning
    piece, given = _chosen(written, key)
    source = build(given if isinstance(given, Mapping) else {key: given})
    parse(source)  # within the limits of every program
    rest = re.sub(r"```\w*\s*```", "", written.replace(piece, "")).strip()
    return ReadProgram(source, "\n\n".join(part for part in (reasoning, rest) if part))


def header(given: Any) -> list[str]:
    """Return the comment lines that keep a specification at the top of its program."""
    return [MARK, *(f"# {line}" for line in written(given).splitlines()), ""]


def specification_of(source: str) -> str | None:
    """Return the JSON at the top of a generated program, or None if there is none."""
    return _of_program(source)


def written(given: Any) -> str:
    """Return JSON text with one line for each stage, proposition or transition."""
    if not isinstance(given, Mapping):
        return json.dumps(given)
    rows = []
    for name, value in given.items():
        if isinstance(value, list) and any(isinstance(each, list | dict) for each in value):
            inner = ",\n".join(f"    {json.dumps(each)}" for each in value)
            rows.append(f"  {json.dumps(name)}: [\n{inner}\n  ]")
        elif isinstance(value, Mapping) and value:
            inner = ",\n".join(f"    {json.dumps(k)}: {json.dumps(v)}" for k, v in value.items())
            rows.append(f"  {json.dumps(name)}: {{\n{inner}\n  }}")
        else:
            rows.append(f"  {json.dumps(name)}: {json.dumps(value)}")
    return "{\n" + ",\n".join(rows) + "\n}"


def _of_program(text: str) -> str | None:
    lines = [line.rstrip() for line in text.strip().splitlines()]
    if not lines or lines[0] != MARK:
        return None
    kept = []
    for line in lines[1:]:
        if not line.startswith("#"):
            break
        kept.append(line[1:])
    return "\n".join(kept)


def _lines(text: str) -> list[str]:
    """The lines of code, without comments and blank lines."""
    stripped = (line.rstrip() for line in text.splitlines())
    return [line for line in stripped if line and not line.lstrip().startswith("#")]


def _chosen(text: str, key: str) -> tuple[str, Any]:
    """The piece of JSON that is the specification: fenced before bare, later before earlier."""
    blocks = [block.body for block in fences(text)]
    found = [piece for source in (text, *blocks) for piece in json_pieces(source)][-_MOST_PIECES:]
    faults: dict[str, str] = {}
    others: list[tuple[str, Any]] = []
    for piece in reversed(found):
        try:
            given = _parsed(piece)
        except UnreadableAnswer as problem:
            faults[piece] = problem.reason
            continue
        if isinstance(given, Mapping) and key in given:
            return piece, given
        if given and (isinstance(given, Mapping) or isinstance(given[0], Mapping)):
            others.append((piece, given))
    broken = max(faults, key=len, default=None)
    if broken is not None and f'"{key}"' in broken:
        raise UnreadableAnswer(faults[broken])
    if others:
        return max(others, key=lambda one: len(one[0]))
    if broken is not None and len(broken) > 2:
        raise UnreadableAnswer(faults[broken])
    raise UnreadableAnswer(f'There is no JSON object with "{key}" in the answer. Give exactly one, in a fenced block.')


_STRING = r'("(?:[^"\\\n]|\\.)*+")'
_COMMENT = re.compile(_STRING + r"|(?://|#)[^\n]*")
_COMMA = re.compile(_STRING + r"|,(?=\s*[}\]])")


def _parsed(text: str) -> Any:
    """Parse JSON; comments and commas before a closing bracket are accepted, as many models write them."""
    try:
        return json.loads(text, object_pairs_hook=_pairs, parse_constant=_constant)
    except (ValueError, RecursionError):
        pass
    try:
        cleaned = text
        for superfluous in (_COMMENT, _COMMA):
            cleaned = superfluous.sub(lambda found: found[1] or "", cleaned)
        return json.loads(cleaned, object_pairs_hook=_pairs, parse_constant=_constant)
    except json.JSONDecodeError as problem:
        row = text.splitlines()[problem.lineno - 1] if problem.lineno <= len(text.splitlines()) else ""
        shown = f": `{row.strip()[:60]}`" if row.strip() else ""
        raise UnreadableAnswer(f"The JSON cannot be parsed: line {problem.lineno}, {problem.msg}{shown}.") from None
    except (ValueError, RecursionError) as problem:
        reason = str(problem)[:200] if isinstance(problem, _Repeated) else "it is nested too deep, or holds no number"
        raise UnreadableAnswer(f"The JSON cannot be parsed: {reason}.") from None


class _Repeated(ValueError):
    """A key occurs twice in one JSON object."""


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    for name in names:
        if names.count(name) > 1:
            raise _Repeated(f"one object has the key {name[:40]!r} twice")
    return dict(pairs)


def _constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON number")

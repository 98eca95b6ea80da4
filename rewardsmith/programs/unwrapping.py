"""Rewrites answers whose program is not in a plain fence (JSON, HTML, diff, ...), so that it can be read.

Used only if the original answer contains no readable program.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Sequence

from rewardsmith.syntax import NotPython, parse_module

_MOST = 40
"""Most candidates of one kind that are tried: answers are untrusted, and each candidate costs a parse."""

_PARSED = 1_000_000
"""Most characters that are parsed to find the true end of a fence, counted with overlaps."""

_QUOTES = str.maketrans({"“": '"', "”": '"', "„": '"', "‟": '"', "‘": "'", "’": "'", "‚": "'", "‛": "'"})  # noqa: RUF001


def unwrapped(text: str) -> Iterator[str]:
    """Yield `text` rewritten in each way that changes it; the caller uses the first that can be read."""
    for rewritten in (
        _from_json(text),
        _with_fences_inside(text),
        _without_html(text),
        _without_prompts(text),
        _from_new_file_diff(text),
        _without_line_numbers(text),
        text.translate(_QUOTES),
    ):
        if rewritten is not None and rewritten != text:
            yield rewritten


_SEARCHED = re.compile(r"^<{5,9} ?\w*\s*$")
_DIVIDER = re.compile(r"^={5,9}\s*$")
_REPLACED = re.compile(r"^>{5,9} ?\w*\s*$")


def without_searched(text: str) -> str:
    """Return `text` without the SEARCH parts of SEARCH/REPLACE blocks, which are the old program, and their marks.

    Removed lines become blank, so that the other lines keep their numbers.
    """
    lines = text.split("\n")
    first = divider = None
    for i, line in enumerate(lines):
        if _SEARCHED.match(line):
            first, divider = i, None
        elif first is not None and divider is None and _DIVIDER.match(line):
            divider = i
        elif first is not None and divider is not None and _REPLACED.match(line):
            lines[first : divider + 1] = [""] * (divider + 1 - first)
            lines[i] = ""
            first = divider = None
    return "\n".join(lines)


def with_functions(source: str, names: Sequence[str]) -> str:
    """Return `source` with top-level lambdas that are assigned to one of `names` rewritten as functions."""
    lines = source.split("\n")
    for node in reversed(parse_module(source).body):
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Lambda(args=arguments, body=body)) if name in names:
                text = ast.get_source_segment(source, body)
                alone = source.split("\n")[(node.end_lineno or 0) - 1].encode()[node.end_col_offset or 0 :].strip()
                if text is None or node.col_offset or (alone and not alone.startswith(b"#")):
                    continue
                written = [f"def {name}({ast.unparse(arguments)}):", "    return (", *f"{text}".split("\n"), "    )"]
                lines[node.lineno - 1 : node.end_lineno] = written
    return "\n".join(lines)


_FUNCTION = re.compile(r"(?m)^[ \t]*def \w+\(")


def _from_json(text: str) -> str | None:
    """The only string of a JSON value in `text` that contains functions; None if there are several, or none."""
    programs = programs_in_json(text)
    return programs[0] if len(programs) == 1 else None


def programs_in_json(text: str) -> list[str]:
    """Return the strings with functions of the first JSON value in `text` that has exactly one; else of the first."""
    several: list[str] = []
    decoder = json.JSONDecoder()
    for start in list(re.finditer(r"(?m)[{\[]\s*[{\"]", text))[:_MOST]:
        try:
            value, _ = decoder.raw_decode(text, start.start())
        except (ValueError, RecursionError):
            continue
        programs = [string for string in _strings(value) if _FUNCTION.search(string)]
        if len(programs) == 1:
            return programs
        several = several or programs
    return several


def _strings(value: object) -> Iterator[str]:
    """Every string in a JSON value. Not recursive, because untrusted values can be nested deeply."""
    left = [(value, 0)]
    while left:
        part, depth = left.pop()
        match part:
            case str() as string if string.lstrip().startswith("{") and depth < 2:
                try:
                    left.append((json.loads(string), depth + 1))  # a tool's arguments are JSON within JSON
                except (ValueError, RecursionError):
                    yield string
            case str() as string:
                yield string
            case list() as items if items and all(isinstance(item, str) for item in items):
                yield "".join(items)  # the lines of a notebook's cell
            case list() as items:
                left += [(item, depth) for item in items]
            case dict() as pairs:
                left += [(item, depth) for item in pairs.values()]


def _with_fences_inside(text: str) -> str | None:
    """`text` with longer fences around a block whose own strings or comments contain fences."""
    lines = text.split("\n")
    marks = [i for i, line in enumerate(lines) if line.lstrip().startswith("```")][:_MOST]
    budget = _PARSED
    for place, first in enumerate(marks):
        for last in marks[place + 2 :]:
            source = "\n".join(lines[first + 1 : last])
            budget -= len(source)
            if budget < 0:
                return None
            if lines[last].strip() == "```" and _parses(source):
                inside = ["`" * 9 + "python", *lines[first + 1 : last], "`" * 9]
                return "\n".join([*lines[:first], *inside, *lines[last + 1 :]])
    return None


def _parses(source: str) -> bool:
    try:
        return bool(parse_module(source).body)
    except NotPython:
        return False


def _without_html(text: str) -> str:
    return re.sub(r"</?(?:pre|code)(?:\s[^<>]{0,200})?>", "\n", text)


def _without_prompts(text: str) -> str | None:
    """`text` without the interpreter's prompts, if it has any."""
    if not re.search(r"(?m)^>>> ", text):
        return None
    return re.sub(r"(?m)^(?:>>>|\.\.\.)(?: |$)", "", text)


def _from_new_file_diff(text: str) -> str | None:
    """`text` with the diff of a new file replaced by that file; None for any other diff."""
    if re.search(r"(?m)^\*\*\* Add File:", text) and not re.search(r"(?m)^\*\*\* (?:Update|Delete) File:", text):
        return re.sub(r"(?m)^\+", "", re.sub(r"(?m)^\*\*\* .*$", "", text))
    hunks = re.findall(r"(?m)^@@ (-\d+(?:,\d+)?) ", text)
    if not hunks or any(hunk != "-0,0" for hunk in hunks):
        return None
    return re.sub(r"(?m)^\+", "", re.sub(r"(?m)^(?:--- |\+\+\+ |@@ |diff --git |new file mode |index ).*\n", "", text))


_NUMBERED = re.compile(r"^[ \t]{0,8}(\d{1,4})(?:[ \t]{0,4}[|:][ ]?|[ ]|$)")


def _without_line_numbers(text: str) -> str | None:
    """`text` without line numbers that count up from 1."""
    found, wanted = [], 1
    for line in text.split("\n"):
        match = _NUMBERED.match(line)
        if match and int(match[1]) == wanted:
            wanted += 1
            found.append(line[match.end() :])
        else:
            found.append(line)
    return "\n".join(found) if wanted > 2 else None

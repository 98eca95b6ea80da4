"""Reads JSON objects from a language model's answer, fenced or bare, with or without prose around them.

Answers are untrusted, so every function here runs in time linear in the length of any text.
"""

from __future__ import annotations

import re
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from rewardsmith.programs.answer_text import UNFINISHED, UnreadableAnswer, fences, plain, without_reasoning

MAX_OBJECTS = 1000
"""Most objects of an answer that are validated; only the last ones are."""

Model = TypeVar("Model", bound=BaseModel)


def read_json(text: str, model: type[Model]) -> Model:
    """Return the object of type `model` in `text`.

    Fenced objects take precedence over bare ones, and later ones over earlier ones. Raises UnreadableAnswer with the
    validation errors if no object is valid.
    """
    parts = without_reasoning(plain(text))
    answer = parts.answer
    blocks = [block.body for block in fences(answer)]
    # Tried from the end: fenced before bare, last before first. `{}` counts only if there is no other object.
    found = [piece for source in (answer, *blocks) for piece in json_pieces(source)]
    candidates = ([piece for piece in found if len(piece) > 2] or found)[-MAX_OBJECTS:]
    faults: dict[str, str] = {}
    for piece in reversed(candidates):
        try:
            return model.model_validate_json(piece)
        except ValidationError as error:
            faults[piece] = in_words(error)
    if not faults and not parts.ended:
        raise UnreadableAnswer(UNFINISHED)
    if not faults:
        raise UnreadableAnswer("There is no JSON object in the answer. Give exactly one, in a fenced block.")
    # The longest object is most likely the intended answer.
    raise UnreadableAnswer(faults[max(faults, key=len)])


def in_words(error: ValidationError) -> str:
    """Return validation errors as sentences, each with its place and the value found; at most six."""
    sentences = []
    for problem in error.errors()[:6]:
        place = ".".join(_short(step, 40, str) for step in problem["loc"]) or "the whole"
        given = "" if problem["type"] in ("missing", "json_invalid") else f", not {_short(problem['input'])}"
        sentences.append(f"`{place}`: {problem['msg']}{given}")
    more = error.error_count() - len(sentences)
    return "; ".join(sentences) + (f"; and {more} more" if more > 0 else "") + "."


def _short(value: Any, most: int = 60, written: Any = repr) -> str:
    try:
        text = written(value)
    except ValueError:  # Python does not convert integers of more than 4,300 digits
        return "a number of thousands of digits"
    return text if len(text) <= most else text[: most - 3] + "..."


# The quantifier `*+` is possessive: a string that is never closed is scanned only once.
_STRING_OR_BRACKET = re.compile(r'"(?:[^"\\\n]|\\.)*+"|[{}\[\]"]')
_BRACKET = re.compile(r"[{}\[\]]")
_OBJECT = re.compile(r'\{\s*"')


def json_pieces(text: str) -> list[str]:
    """Return the outermost parts of `text` in balanced brackets, and the last part if its JSON object is not closed.

    Parts of a larger piece are not returned, because a fragment of a malformed object could be mistaken for the whole.
    A bracket of the prose that is never closed, as in the interval [0, 1), is no piece.
    """
    pairs: list[tuple[int, int]] = []
    opened: list[int] = []
    position = stringless = 0
    while True:
        # Outside all brackets a quotation mark may be an inch sign, and what follows it no string.
        if opened and position < stringless:
            token = _BRACKET.search(text, position, stringless)
            if token is None:
                position = stringless
                continue
        else:
            token = (_STRING_OR_BRACKET if opened else _BRACKET).search(text, position)
        if token is None:
            break
        position = token.end()
        if token[0] == '"':
            # No string begins here, nor at a later quotation mark of this line: each of these was skipped as
            # escaped, and the text after it has been scanned.
            line_end = text.find("\n", position)
            stringless = len(text) if line_end < 0 else line_end
        elif token[0] in ("{", "["):
            opened.append(token.start())
        elif token[0] in ("}", "]"):
            partner = "{" if token[0] == "}" else "["
            if opened and text[opened[-1]] == partner:
                pairs.append((opened.pop(), token.end()))
    cut_off = next((start for start in opened if _OBJECT.match(text, start)), None)
    if cut_off is not None:
        pairs.append((cut_off, len(text)))
    return _outermost(text, pairs)


def _outermost(text: str, pairs: list[tuple[int, int]]) -> list[str]:
    pieces: list[str] = []
    end = 0
    for start, stop in sorted(pairs):
        if start >= end:
            pieces.append(text[start:stop])
            end = stop
    return pieces

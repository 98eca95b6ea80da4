"""Splits the text of a language model's answer into reasoning, fenced blocks and prose.

Answers are untrusted, so every function here runs in time linear in the length of any text.
"""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass

from rewardsmith.programs.reasoning import Parts, parted, with_tags

MAX_ANSWER_BYTES = 512 * 1024


class UnreadableAnswer(Exception):
    """The answer contains no usable program or object. `reason` explains this to the model in one or two sentences."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def plain(text: str) -> str:
    """Normalise newlines and blanks to those that Python accepts. Raises UnreadableAnswer if empty or over 512 kB."""
    if len(text.encode("utf-8", "surrogatepass")) > MAX_ANSWER_BYTES:
        raise UnreadableAnswer(f"The answer is longer than {MAX_ANSWER_BYTES // 1024} kB.")
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    # Text copied from web pages has no-break spaces in the indentation, zero-width spaces and byte order marks.
    text = re.sub("[\u200b\ufeff]", "", text.replace("\u00a0", " "))
    # Some servers do not remove tokens of chat templates: marks of reasoning, and ends of messages.
    text = _MESSAGE_END.sub("", with_tags(text))
    if not text.strip():
        raise UnreadableAnswer("The answer is empty.")
    return text


_MESSAGE_END = re.compile(r"(?:<\|(?:im_end|eot_id|end|endoftext|end_of_turn)\|>|</s>|<end_of_turn>)\s*\Z")


UNFINISHED = "The reasoning did not end, so there is no answer. Reason more briefly, then answer."


def without_reasoning(text: str) -> Parts:
    """Return the answer apart from the reasoning, whose drafts must not be mistaken for the answer.

    Raises UnreadableAnswer if there is only reasoning.
    """
    parts = parted(text)
    if not parts.answer.strip():
        only = "There is reasoning but no answer after it. Write the answer after the reasoning."
        raise UnreadableAnswer(only if parts.ended else UNFINISHED)
    return parts


@dataclass(frozen=True)
class Fence:
    """A fenced block.

    Attributes:
        first: Line of the opening fence, from 0.
        last: Line after the closing fence.
        body: The text between the fences, dedented.
        closed: Whether the closing fence exists.
    """

    first: int
    last: int
    body: str
    closed: bool


# A list item or a quotation may put a prefix before a fence. The quantifier `{3,}+` is possessive: it does not
# backtrack to a shorter fence.
_OPENING = re.compile(
    r"^(?P<prefix>[ \t]*(?:(?:[-*+]|\d{1,3}[.)]|>)[ \t]+)?)(?P<fence>`{3,}+|~{3,}+)(?P<language>[^`]*)$"
)


def fences(text: str) -> list[Fence]:
    """Return the fenced blocks of `text` in order. Only the last can lack its closing fence."""
    lines = text.split("\n")
    found: list[Fence] = []
    start = 0
    while start < len(lines):
        opening = _OPENING.match(lines[start])
        # A whole answer wrapped as Markdown: the fences that matter are inside.
        if opening is None or opening["language"].strip().lower() in ("markdown", "md"):
            start += 1
            continue
        body: list[str] = []
        end = start + 1
        closed = False
        while end < len(lines) and not closed:
            code, closed = _split_at_closing(lines[end], opening["fence"])
            body += [] if closed and not code.strip() else [code]
            end += 1
        if ">" in opening["prefix"]:
            body = [re.sub(r"^[ \t]*> ?", "", line) for line in body]
        found.append(Fence(start, end, textwrap.dedent("\n".join(body)), closed))
        start = end
    return found


def _split_at_closing(line: str, fence: str) -> tuple[str, bool]:
    """The code on `line`, and whether the fence closes there: some models put the fence after a statement."""
    end = line.rstrip()
    code = end.rstrip(fence[0])
    if len(end) - len(code) < len(fence):
        return line, False
    return code.rstrip(" \t>") if not code.strip(" \t>") else code, True

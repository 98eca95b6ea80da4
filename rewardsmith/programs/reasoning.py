"""Separates the reasoning in a language model's answer from the answer itself.

Models reason under marks that differ by family, and some servers leave these marks in the text. A draft within the
reasoning must not be mistaken for the answer, even if the reasoning never ended.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

OPENING, CLOSING = "<thought>", "</thought>"

_OPENINGS = (
    r"<\|begin_of_thought\|>",  # OpenThinker, Sky-T1
    "\u25c1think\u25b7",  # Kimi
    r"\[THINK\]",  # Magistral
    r"<\|START_THINKING\|>",  # Command A
    r"<\|inner_prefix\|>",  # Apertus
    r"<\|channel>thought\b",  # Gemma
    r"<unused94>thought\b",  # MedGemma
    r"<\|im_start\|>think\b",  # s1
    r"<\|think\|>",  # Solar
    r"\A\s*Here(?: is|'s) my thought process:",  # Granite
    r"\A\s*analysis(?=[A-Z])",  # gpt-oss, if the server removes the special tokens and leaves their words
)
_CLOSINGS = (
    r"<\|end_of_thought\|>",
    "\u25c1/think\u25b7",
    r"\[/THINK\]",
    r"<\|END_THINKING\|>",
    r"<\|inner_suffix\|>",
    r"<channel\|>",
    r"<unused95>",
    r"<\|im_start\|>answer\b",
    r"<\|end\|>(?=\s*<\|begin\|>assistant)",
    r"(?m:^)[ \t]*Here(?: is|'s) my response:",
    r"assistant(?:commentary[^\n]{0,40})?final(?=[A-Z`\s])",
)
_OPENS = re.compile("|".join(_OPENINGS))
_CLOSES = re.compile("|".join(_CLOSINGS))

# The marks around what follows the reasoning.
_AROUND = re.compile(
    r"<\|(?:begin_of_solution|end_of_solution|START_RESPONSE|END_RESPONSE|START_TEXT|END_TEXT|begin_of_box|end_of_box)\|>"
    r"|<\|begin\|>assistant(?:<\|content\|>)?"
)

_MESSAGE = re.compile(
    r"(?:<\|start\|>[^<\n]{0,80})?<\|channel\|>[ \t]*(?P<channel>\w{1,20})[^<\n]{0,80}"
    r"(?:<\|constrain\|>[^<\n]{0,40})?<\|message\|>"
)
"""The head of a message in the harmony format of gpt-oss."""

_MESSAGE_OVER = re.compile(r"<\|(?:end|return|call)\|>\s*\Z")

_TAG = re.compile(
    r"<(?P<close>/?)(?P<name>(?:\w{1,20}:)?\w{0,20}(?:think|thought|reasoning|reflection|scratchpad|monologue)\w{0,20})>",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Parts:
    """An answer, taken apart.

    Attributes:
        answer: The text outside the reasoning.
        reasoning: The reasoning, without its marks.
        ended: Whether all reasoning ended.
    """

    answer: str
    reasoning: str
    ended: bool


def with_tags(text: str) -> str:
    """Return `text` with the marks of every family replaced by the tags <thought> and </thought>."""
    text = _without_messages(text)
    if _OPENS.search(text):
        text = _CLOSES.sub(CLOSING, _OPENS.sub(OPENING, text))
    return _AROUND.sub("", text)


def _without_messages(text: str) -> str:
    """Messages in the harmony format as plain text: only the channel `final` is the answer."""
    heads = list(_MESSAGE.finditer(text))
    if not heads:
        return text
    parts = [text[: heads[0].start()]]
    for head, following in zip(heads, [*heads[1:], None], strict=True):
        body = text[head.end() : len(text) if following is None else following.start()]
        spoken = _MESSAGE_OVER.sub("", body)
        if head["channel"] == "final":
            parts.append(f"{spoken}\n")
        else:
            over = following is not None or spoken != body
            parts.append(f"\n{OPENING}{spoken}{CLOSING if over else ''}\n")
    return "".join(parts)


def parted(text: str) -> Parts:
    """Take an answer apart, whose marks are tags (see `with_tags`).

    A tag within a line that is never closed is a mention of the tag, and no reasoning.
    """
    answer: list[str] = []
    reasoning: list[str] = []
    opened: re.Match[str] | None = None
    position = 0
    for tag in _TAG.finditer(text):
        if opened is not None:
            if tag["close"] and tag["name"].lower() == opened["name"].lower():
                reasoning.append(text[opened.end() : tag.start()])
                opened, position = None, tag.end()
        elif not tag["close"]:
            answer.append(text[position : tag.start()])
            opened, position = tag, tag.start()
        elif "think" in tag["name"].lower():
            # Some chat templates put the opening tag into the prompt: the answer contains only the closing one.
            reasoning.append("".join(answer) + text[position : tag.start()])
            answer, position = [], tag.end()
    ended = opened is None or bool(text[text.rfind("\n", 0, opened.start()) + 1 : opened.start()].strip())
    if ended or opened is None:
        answer.append(text[position:])
    else:
        reasoning.append(text[opened.end() :])
    return Parts("".join(answer), "\n\n".join(part.strip() for part in reasoning if part.strip()), ended)

"""Makes text of programs, models and other users safe to show on a terminal, in a report, a prompt or a log.

Only text that is shown passes through these functions. Stored and exported text keeps its bytes.
"""

from __future__ import annotations

import re

# Line breaks other than "\n": a terminal, a log reader or an editor may begin a new line at them.
_BREAKS = "\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"

# C0 and C1 controls, DEL, and Unicode's Default_Ignorable_Code_Point: bidirectional marks, zero-width characters, tags,
# variation selectors. Also the remaining format characters of interlinear annotation, and the two noncharacters
# that XML forbids.
_UNSEEN = re.compile(
    "[\x00-\x08\x0e-\x1b\x1f\x7f-\x84\x86-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f"
    "\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
_BREAK = re.compile(f"[{_BREAKS}]")
_SURROGATE = re.compile("[\ud800-\udfff]")
# An underscore between letters or digits does not mark emphasis.
_SPECIAL_IN_MARKDOWN = re.compile(r"[\\`*\[~$|]|(?<![^\W_])_+|_+(?![^\W_])")
_BEGINS_FORMULA = ("=", "+", "-", "@")


def plain(text: str) -> str:
    """Return `text` without control characters, bidirectional marks and invisible characters.

    "\\n" and tabs are kept. A carriage return becomes "\\n", as in Python. Other line breaks become a space. Half of a
    surrogate pair becomes U+FFFD, because no encoding can write it.
    """
    if text.isascii() and text.isprintable():
        return text
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return _SURROGATE.sub("\ufffd", _UNSEEN.sub("", _BREAK.sub(" ", text)))


def one_line(text: str) -> str:
    """Return `plain` text with spaces for line breaks and tabs, so that no line can look like a separate entry."""
    return plain(text).replace("\n", " ").replace("\t", " ")


def indented(text: str, by: int = 2) -> str:
    """Return `plain` text with all lines but the first indented, so that no line can look like a separate entry."""
    return plain(text).rstrip("\n").replace("\n", "\n" + by * " ")


def in_markdown(text: str) -> str:
    """Return `one_line` text escaped for Markdown: without emphasis, link, image, code, formula or HTML."""
    escaped = _SPECIAL_IN_MARKDOWN.sub(lambda found: "".join(f"\\{c}" for c in found[0]), one_line(text))
    return escaped.replace("&", "&amp;").replace("<", "&lt;")


def in_docstring(text: str) -> str:
    """Return `one_line` text for a triple-quoted string: it cannot end the string or begin an escape sequence."""
    return one_line(text).replace("\\", "\\\\").replace('"', '\\"')


def in_csv(value: object) -> object:
    """Return the cell of a CSV file: a number unchanged, text on one line and never a formula.

    A spreadsheet evaluates text that begins with = + - or @. An apostrophe before it prevents this.
    """
    if value is None or isinstance(value, int | float):
        return value
    text = one_line(str(value))
    if text.lstrip().startswith(_BEGINS_FORMULA) and not _is_number(text):
        return f"'{text}"
    return text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True

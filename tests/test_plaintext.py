"""Untrusted text, made safe to show."""

from __future__ import annotations

import ast
import csv
import io
import json
import logging
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewardsmith.plaintext import in_csv, in_docstring, in_markdown, indented, one_line, plain

# Format characters that are drawn: signs above Arabic, Syriac and Kaithi numbers, joiners of hieroglyphs.
DRAWN = {*range(0x600, 0x606), 0x6DD, 0x70F, 0x890, 0x891, 0x8E2, 0x110BD, 0x110CD, *range(0x13430, 0x13460)}
INVISIBLE = [0x34F, 0x115F, 0x3164, 0xFE0F, 0xE0100, 0xE01EF]


def test_no_control_format_or_surrogate_of_unicode_is_shown():
    for code in range(sys.maxunicode + 1):
        char = chr(code)
        if unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp") and code not in DRAWN and char not in "\n\t":
            assert char not in plain(f"a{char}b"), hex(code)
    for code in INVISIBLE:
        assert plain(f"a{chr(code)}b") == "ab", hex(code)


@given(st.text(st.characters(codec=None, exclude_categories=())))
def test_shown_text_can_be_encoded_and_is_shown_the_same_again(text):
    shown = plain(text)
    shown.encode("utf-8")
    assert plain(shown) == shown
    assert len(one_line(text).splitlines()) <= 1
    assert all(line.startswith("  ") for line in indented(text).splitlines()[1:])


@pytest.mark.parametrize(
    "text, shown",
    [
        ("\x1b[31mred\x1b[0m", "[31mred[0m"),
        ("\x1b]8;;http://a\x07here", "]8;;http://ahere"),
        ("\x9b31mred", "31mred"),
        ("user\u202etxt.exe", "usertxt.exe"),
        ("a\r\nb\rc", "a\nb\nc"),  # Python reads a lone carriage return as the end of a line
        ("a\u2028b\x85c", "a b c"),
        ("tag\U000e0041\u200b", "tag"),
        ("half \ud800", "half \ufffd"),
        ("[/b] [link=x] :warning: é 漢 🙂", "[/b] [link=x] :warning: é 漢 🙂"),
    ],
)
def test_words_and_brackets_stay(text, shown):
    assert plain(text) == shown


def test_markdown_shows_a_message_as_it_stands():
    assert in_markdown("open_door costs 1 - 0.9 t/T") == "open_door costs 1 - 0.9 t/T"
    shown = in_markdown("<img src=x onerror=a> [x](http://a) ![i](u) `c` *b* __init__ &#x202e; $x$ |\n# head")
    assert "<" not in shown and "\n" not in shown and "&#" not in shown
    for char in "[`*$|":
        assert f"\\{char}" in shown and shown.count(char) == shown.count(f"\\{char}")
    assert r"\_\_init\_\_" in shown


@given(st.text())
def test_text_in_a_docstring_cannot_end_it(text):
    (node,) = ast.parse(f'"""{in_docstring(text)}"""').body
    assert isinstance(node, ast.Expr) and ast.literal_eval(node.value) == one_line(text)


@pytest.mark.parametrize("text", ["=1+1", "+cmd", "-cmd", "@SUM(A1)", "\t=1+1", "\x00=1+1", " =1", "\u200b=1"])
def test_a_cell_of_csv_is_no_formula(text):
    out = io.StringIO()
    csv.writer(out).writerow([in_csv(text)])
    assert out.getvalue()[0] == "'"


def test_numbers_and_other_text_of_csv_stay():
    values = [None, -1.5, 3, True, "-2.5", "free", "a\nb", ["x"]]
    assert [in_csv(value) for value in values] == [None, -1.5, 3, True, "-2.5", "free", "a b", "['x']"]


def test_a_log_line_is_one_line_of_plain_text():
    from workers.logs import JsonLines

    try:
        raise ValueError("\x1b[2J")
    except ValueError:
        record = logging.LogRecord("a", logging.INFO, "f", 1, "lost %s", ("x\n\x1b[31mforged",), sys.exc_info())
    record.owner = "me\u202e\nforged"
    line = JsonLines().format(record)
    entry = json.loads(line)
    assert "\n" not in line and entry["message"] == "lost x [31mforged" and entry["owner"] == "me forged"
    assert entry["error"].endswith("ValueError: [2J")

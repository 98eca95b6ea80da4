"""The project's English keeps the limits of scripts/words.py, and each of its rules finds what it should."""

from __future__ import annotations

import textwrap

import pytest

from scripts.words import FIGURES, Project, anchors, blocks, main, measure, split_sentences

PROJECT = Project()
LONG = "word " * 41 + "end."


@pytest.mark.parametrize("figure", FIGURES)
def test_no_figure_of_the_projects_english_is_above_its_limit(figure):
    found, unused = measure(PROJECT, figure)
    assert len(found) <= PROJECT.rules.get("limit", {}).get(figure, 0), "\n" + "\n".join(map(str, found))
    assert not unused, "scripts/words.toml: these exceptions are no longer needed"


def test_exceptions_give_reasons_and_at_most_five_are_docstrings():
    exceptions = PROJECT.rules.get("exception", [])
    assert all(len(exception["reason"].split()) >= 3 for exception in exceptions)
    assert sum(exception["figure"] == "docstrings" for exception in exceptions) <= 5


@pytest.fixture
def count(tmp_path):
    """Write files of a made-up project, and return the texts that a figure finds in it."""

    def write_and_measure(figure: str, files: dict[str, str], rules: str = "") -> list[str]:
        for name, text in {"README.md": "", "scripts/words.toml": rules, **files}.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(text))
        found, unused = measure(Project(tmp_path), figure)
        assert not unused
        return [place.text for place in found]

    return write_and_measure


def test_a_test_name_over_seventy_characters_is_found(count):
    names = ["test_" + "a" * 65, "test_" + "b" * 66, "test_" + "c" * 66, "helper_" + "d" * 66]
    code = f"def {names[0]}(): ...\nclass TestX:\n    def {names[1]}(self): ...\n"
    code += f"async def {names[2]}(): ...\ndef {names[3]}(): ...\n"
    assert sorted(count("test-names", {"tests/a/test_a.py": code})) == names[1:3]


DOCSTRINGS = '''
"""Too short here."""
from typing import overload

class Ring:
    """A = -> b."""

    def shrink(self):
        """Go."""

    @property
    def width(self):
        """The width - it."""

    @width.setter
    def width(self, value):
        """Set."""

    def __call__(self):
        """Call."""

    def _private(self):
        """Go."""

    def said(self):
        """Return what has been said."""

    def undocumented(self): ...

class _Private:
    """Go."""

    def shrink(self):
        """Go."""

@overload
def turn(a: int):
    """Turn."""

def turn(a):
    """Turn by `a` degrees, clockwise."""

    def inner():
        """Go."""

if True:
    async def wait():
        """Wait."""
'''


def test_short_docstrings_of_public_objects_are_found(count):
    found = count("docstrings", {"rewardsmith/ring.py": DOCSTRINGS, "tests/ring.py": DOCSTRINGS})
    assert found == ["", "Ring", "Ring.shrink", "Ring.width", "wait"]


@pytest.mark.parametrize(
    "page",
    [
        LONG,
        f"# {LONG}",
        f"| a | {LONG} |",
        f"- short\n- {LONG}",
        f"1. {LONG}",
        f"- item\n\n    {LONG}",
        "one; " * 41,
        "several words: e.g. this, i.e. that, cf. those ... and so on, " * 5,
        "```sh\nls\n```\n" + "`code span` " + "word " * 40,
        "word\n" * 41,
    ],
)
def test_a_long_sentence_is_found_in_any_part_of_a_page(count, page):
    assert len(count("sentences", {"README.md": page})) == 1


@pytest.mark.parametrize(
    "page",
    [
        "word " * 40,
        "`a code span is one word` " * 40,
        "https://example.org/a b " * 20,
        f"```\n{LONG}\n```",
        f"<!-- {LONG} -->",
        "| a cell | another |\n" * 30,
        "- an item of a list\n" * 30,
        "word - " * 40,
        ("word " * 30 + ".) " + "word " * 30),
        ('"' + "word " * 30 + '." ' + "Word " * 30),
        ("word " * 30 + "... " + "Word " * 30),
        ("word " * 30 + "\n\n" + "word " * 30),
    ],
)
def test_short_sentences_code_and_lists_are_not_long_sentences(count, page):
    assert count("sentences", {"README.md": page}) == []


@pytest.mark.parametrize(
    "docstring",
    [
        LONG,
        f"Summary.\n\nArgs:\n    name: {LONG}",
        f"Summary.\n\nArgs:\n    low, high: short.\n    *rest: {LONG}",
        f"Summary.\n\nReturns:\n    {LONG}",
        f"Summary.\n\n- item\n- {LONG}",
        f"Summary.\n\n    an example\n\n{LONG}",
    ],
)
def test_a_long_sentence_is_found_in_any_part_of_a_docstring(count, docstring):
    code = f'def _outer():\n    def inner():\n        """{textwrap.indent(docstring, " " * 8).strip()}\n        """\n'
    assert len(count("sentences", {"rewardsmith/a.py": code})) == 1


@pytest.mark.parametrize(
    "docstring",
    [
        "Summary.\n\nArgs:\n" + "    name: a value.\n" * 20,
        "Summary.\n\nReturns:\n    " + "word " * 40,
        "Summary.\n\nAttributes:\n" + "    low, high: a value in [0, 1]\n" * 20,
        f"Summary.\n\n    {LONG}\n    {LONG}\n\nEnd.",
        "| operation | raises |\n|---|---|\n" + "| `get` | never, for any reason |\n" * 20,
        ".venv/bin/python -m a.b   # what it does with this and that\n" * 10,
    ],
)
def test_entries_tables_and_code_of_a_docstring_are_not_long_sentences(count, docstring):
    assert count("sentences", {"rewardsmith/a.py": f'"""{docstring}\n"""\n'}) == []


def test_strings_that_describe_constants_are_docstrings_messages_are_not(count):
    code = f'A = 1\n"""{LONG}"""\nprint("{LONG}")\n'
    assert len(count("sentences", {"rewardsmith/a.py": code})) == 1


def test_a_paragraph_keeps_its_line_number():
    assert [(b.line, b.text) for b in blocks("# A\n\n```\nx\n```\n- b\n  c\n- d\n| e |")] == [
        (1, "A"), (6, "b c"), (8, "d"), (9, " e "),
    ]  # fmt: skip


def test_sentences_end_at_points_and_not_at_abbreviations():
    text = "One, e.g. `a. b`, is 0.5. (Two.) Three... Four? Five ... go"
    assert split_sentences(text) == ["One, e.g. CODE, is 0.5.", "(Two.", "Three...", "Four?", "Five ... go"]


LINKS = {
    "docs/a.md": """
        # A heading, `code` & more
        # Twice
        # Twice
        ```sh
        # not a heading
        [no link](in-code.md) `[nor](here.md)`
        ```
        """,
    "docs/b.md": "[up](../README.md) [outside](https://example.org/x.md) `[code](none.md)`",
}


@pytest.mark.parametrize(
    ("link", "broken"),
    [
        ("docs/a.md", False),
        ("docs/a.md#a-heading-code--more", False),
        ("docs/a.md#twice-1", False),
        ("docs", False),
        ("docs/c.md", True),
        ("docs/a.md#not-a-heading", True),
        ("docs/a.md#twice-2", True),
        ("#here", True),
    ],
)
def test_a_link_to_no_file_or_no_heading_is_broken(count, link, broken):
    for text in (f"[of `f([0])`]({link})", f"![picture]({link})", f'<a href="{link}">', f'[a]({link} "title")'):
        found = count("links", {**LINKS, "README.md": text})
        assert found == ([link] if broken else [])


def test_a_page_that_readme_does_not_lead_to_is_found(count):
    pages = {"README.md": "[a](docs/a.md)", "docs/a.md": "[b](b.md#top)", "docs/b.md": "", "docs/c.md": "[a](a.md)"}
    pages["examples/README.md"] = ""
    assert len(count("pages", pages)) == 2
    assert count("pages", {**pages, "docs/b.md": "[c](c.md) [examples](../examples)"}) == []


def test_anchors_are_those_that_github_makes():
    assert anchors("# A [link](x.md) to `b_c`\n## Été: 2-3") == {"a-link-to-b_c", "été-2-3"}


RULE = '[[term]]\nword = "mends?|for want of"\nuse = "fix"\n'


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("README.md", "Mend it"),
        ("docs/a.md", "| for\nwant of |"),
        ("docs/a.md", "`mend`"),
        ("docs/a.md", "```\nmend\n```"),
        ("docs/a.md", "# Mends"),
        ("rewardsmith/a.py", '"""Mend it."""'),
        ("rewardsmith/a.py", "def _f():\n    def _g():\n        '''Mend it.'''"),
        ("rewardsmith/a.py", "raise ValueError(f'{1} mends {2} ...')"),
        ("rewardsmith/a.py", "raise ValueError(f'{1:>{2}} mends')"),
        ("rewardsmith/a.py", "x = 'failed for '\\\n    'want of it'"),
        ("rewardsmith/a.py", "x = {'mend': 1}"),
        ("rewardsmith/agents/prompts/a.j2", "{% if x %}Mend{% endif %}"),
        ("benchmarks/a.py", "parser.add_argument('--x', help='mend it')"),
    ],
)
def test_a_replaced_term_is_found_wherever_it_is_shown(count, file, text):
    assert len(count("terms", {file: text}, RULE)) == 1


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("README.md", "Amend, mended and recommends"),
        ("rewardsmith/a.py", "def mend(): ...  # mend"),
        ("rewardsmith/a.py", "x = f'{mend}'"),
        ("tests/a.py", "'''Mend it.'''"),
        ("benchmarks/programs/Grid-v0.free.01.py", "'''Mend it.'''"),
        ("benchmarks/results/a.md", "Mend it."),
    ],
)
def test_longer_words_comments_and_recorded_texts_are_not_replaced_terms(count, file, text):
    assert count("terms", {file: text}, RULE) == []


def test_an_exception_accepts_one_place_and_an_unneeded_one_is_named(count, tmp_path):
    exception = '[[exception]]\nfigure = "terms"\npath = "README.md"\ntext = "mend"\nreason = "a name"\n'
    assert count("terms", {"README.md": "mend", "CHANGELOG.md": "mend"}, RULE + exception) == ["mend"]
    (tmp_path / "README.md").write_text("")
    assert len(measure(Project(tmp_path), "terms")[1]) == 1


def test_check_exits_with_1_and_names_the_places_above_the_limit(count, tmp_path, capsys):
    count("terms", {"README.md": "mend"}, RULE)
    assert main([], tmp_path) == 0 and "README.md:1" not in capsys.readouterr().out
    assert main(["--check"], tmp_path) == 1
    assert "README.md:1 mend: fix" in capsys.readouterr().out
    count("terms", {"README.md": "mend"}, "[limit]\nterms = 1\n" + RULE)
    assert main(["--check"], tmp_path) == 0

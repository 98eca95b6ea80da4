"""Read the docstring of an environment's class: its goal, the meaning of numbers and actions, the end of an episode.

Gymnasium's environments, and many others, document their spaces as Markdown tables or as numbered lists.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

_LONGEST = 500  # characters of a sentence; a longer one is cut at a word
_MOST_ENDINGS = 4
_HEADING = re.compile(r"^\s*#+\s*(.+?)\s*#*\s*$")
_ROW = re.compile(r"^\s*\|(.+)\|\s*$")
_ITEM = re.compile(r"^\s*[-*]?\s*`?(-?\d+)`?\s*[:=.)-]\s+(.+?)\s*$")
_AIM = re.compile(r"\b(goal|aim|objective|task)\b[^.]*\b(is|are|to)\b|\b(must|has to|needs to)\b", re.IGNORECASE)
_SUBJECTS = {
    "observation": "observ|state",
    "action": "action|move|command|control",
    "": "reward|version|argument|parameter|episode|terminat",
}
"""Words by which a title announces a list on a subject, or ("") on something else."""
_SHORT = re.compile(r"(?:\b(?:e\.g|i\.e|etc|vs|cf|al|Fig|Eq|approx|Dr|St)\.)$", re.IGNORECASE)


def documentation_of(env_class: type) -> str:
    """The docstring of an environment's class, else of its module, without indentation; "" if neither has one."""
    module = inspect.getmodule(env_class)
    own = env_class.__dict__.get("__doc__") or (getattr(module, "__doc__", None) if module is not None else None)
    return inspect.cleandoc(own) if own else ""


def goal_of(documentation: str) -> str:
    """The sentence that states the goal, else the first sentence; "" if there is none."""
    found = list(_sentences(_prose(documentation, ("description", ""))))
    return next((each for each in found if _AIM.search(each)), found[0] if found else "")


def endings_of(documentation: str) -> list[str]:
    """Sentences on what ends an episode, at most four, as far as a section says so."""
    titles = ("episode end", "episode termination", "termination", "terminations", "ending")
    text = re.sub(r"\s*(?:^|\n)\s*(?:[-*]|\d+\.)\s+", " ", _section(documentation, titles))
    return list(_sentences(text))[:_MOST_ENDINGS]


def meanings(documentation: str, subject: str, count: int, first: int = 0) -> list[str]:
    """The meaning of each of `count` numbers or actions, in a table or numbered list of the section on `subject`.

    Args:
        documentation: The docstring.
        subject: "observation" or "action": part of the heading of the section, or of a table's column.
        count: How many rows the table or list must have, numbered from `first` on.
        first: The first number.

    Returns:
        A text for each; empty if there is no such table or list.
    """
    numbers = [str(first + k) for k in range(count)]
    own = _section(documentation, (subject, f"{subject} space", f"{subject}s"))
    for rows in (
        *_tables(own, subject),
        *_lists(own),
        *_tables(documentation, subject),
        *_lists(documentation, subject),
    ):
        if [number for number, _ in rows] == numbers and all(text for _, text in rows):
            return [text for _, text in rows]
    return []


def _section(documentation: str, titles: tuple[str, ...]) -> str:
    """The text under the first heading that is one of `titles`; "" if there is none."""
    lines = documentation.split("\n")
    for index, line in enumerate(lines):
        heading = _HEADING.match(line)
        if heading is not None and heading[1].lower().strip(": ") in titles:
            rest = lines[index + 1 :]
            end = next((k for k, each in enumerate(rest) if _HEADING.match(each)), len(rest))
            return "\n".join(rest[:end])
    return ""


def _prose(documentation: str, titles: tuple[str, ...]) -> str:
    """The section called so, or the text before the first heading; whichever has text."""
    lines = documentation.split("\n")
    end = next((k for k, each in enumerate(lines) if _HEADING.match(each)), len(lines))
    before = "\n".join(lines[:end]).strip()
    return "\n\n".join(filter(None, (before, _section(documentation, titles))))


def _sentences(text: str) -> Iterator[str]:
    """Whole sentences of running text, as plain text in one line each."""
    for paragraph in re.split(r"\n\s*\n", text):
        lines = [line for line in paragraph.split("\n") if not _ROW.match(line) and not line.lstrip().startswith("```")]
        joined = " ".join(" ".join(lines).split())
        joined = re.sub(r"!?\[\"?([^\]]*?)\"?\]\([^)]*\)", r"\1", joined)  # links
        joined = re.sub(r"<[^>]+>|\*\*|[`$]", "", joined)
        part = ""
        for piece in re.split(r"(?<=[.!?])\s+(?=[A-Z0-9])", joined):
            part = f"{part} {piece}".strip()
            if not _SHORT.search(part):
                if len(part) > 8 and part[0].isalnum():
                    yield _ended(part)
                part = ""
        if len(part) > 8:
            yield _ended(part)


def _ended(sentence: str) -> str:
    if len(sentence) > _LONGEST:
        return sentence[:_LONGEST].rpartition(" ")[0] + " ..."
    return sentence if sentence[-1] in ".!?" else f"{sentence.rstrip(':')}."


def _tables(text: str, subject: str) -> Iterator[list[tuple[str, str]]]:
    """(number, text of the column on the subject) of the rows of each Markdown table with numbered rows."""
    rows: list[list[str]] = []
    for line in [*text.split("\n"), ""]:
        if (found := _ROW.match(line)) is not None:
            rows.append([cell.strip() for cell in found[1].split("|")])
            continue
        if len(rows) > 2:
            head = [cell.lower() for cell in rows[0]]
            column = next((k for k, cell in enumerate(head) if subject in cell), None)
            if column:
                yield [(row[0], _plain(row[column])) for row in rows[2:] if len(row) > column and row[0].isdigit()]
        rows = []


def _lists(text: str, subject: str = "") -> Iterator[list[tuple[str, str]]]:
    """(number, text) of the items of each numbered list.

    With a subject, lists are left out whose heading, or the line above them, names another one.
    """
    items: list[tuple[str, str]] = []
    heading = before = ""
    for line in [*text.split("\n"), ""]:
        if (found := _ITEM.match(line)) is not None:
            items.append((found[1], _plain(found[2])))
        elif items and not (line.strip() and line.startswith((" ", "\t"))):
            if _speaks_of(subject, before) and _speaks_of(subject, heading):
                yield items
            items = []
        if _HEADING.match(line):
            heading, before = line, ""
        elif found is None and line.strip() and not items:
            before = line


def _speaks_of(subject: str, title: str) -> bool:
    """Whether a heading, or the line before a list, may announce a list on the subject."""
    if not subject or re.search(_SUBJECTS[subject], title, re.IGNORECASE):
        return True
    others = [words for name, words in _SUBJECTS.items() if name != subject]
    return not re.search("|".join(others), title, re.IGNORECASE)


def _plain(text: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>|\*\*|[`$]", "", text)).strip(" .,;")

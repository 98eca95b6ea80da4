"""What a program can see of the project's English: counts of what is hard to read, and where it stands.

.venv/bin/python -m scripts.words                       # one line a figure; CI prints them
.venv/bin/python -m scripts.words --list                # and each place
"""

from __future__ import annotations

import argparse
import ast
import re
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("rewardsmith", "sandbox", "workers")
LONGEST_TEST_NAME = 70  # characters
LONGEST_SENTENCE = 40  # words
SHORTEST_DOCSTRING = 5  # words

_CODE = re.compile(r"```.*?```|`[^`\n]*`|<!--.*?-->|https?://\S+|^ {4}.*$", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"(?<!!)\[[^\]]+\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")
_DIRECTIVE = re.compile(r"^\s*(?:#|\||[-*] |\d+\. )")


@dataclass(frozen=True)
class Text:
    """A stretch of prose: where it stands, and its words."""

    place: str
    text: str


def pages() -> list[Path]:
    """The documentation: Markdown files of the project, results of benchmarks left out."""
    found = [
        *ROOT.glob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
        ROOT / "sandbox/README.md",
        ROOT / "benchmarks/README.md",
    ]
    return sorted(found)


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def modules() -> list[Path]:
    """Python files of the packages; text that exported files carry is left out."""
    found = [p for package in PACKAGES for p in sorted((ROOT / package).rglob("*.py"))]
    return [p for p in found if "export_parts" not in p.parts and "hand_rewards" not in p.parts]


def _where(path: Path, line: int) -> str:
    return f"{path.relative_to(ROOT)}:{line}"


def docstrings() -> Iterator[tuple[Text, str]]:
    """Every docstring with the name of what it describes: a module, a class, a function."""
    for path in modules():
        for node in ast.walk(_tree(path)):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                text = ast.get_docstring(node)
                if text:
                    name = getattr(node, "name", "")
                    yield Text(_where(path, getattr(node, "lineno", 1)), text), name


def paragraphs() -> Iterator[Text]:
    """Prose of the documentation: paragraphs and list items, without code, tables and headings."""
    for path in pages():
        text = _CODE.sub(
            lambda found: re.sub(r"[^\n]", " ", found.group()) if "\n" in found.group() else "CODE", path.read_text()
        )
        line, kept = 1, []
        for number, row in enumerate([*text.split("\n"), ""], 1):
            if not row.strip() or _DIRECTIVE.match(row):
                if kept:
                    yield Text(_where(path, line), " ".join(kept))
                kept = []
            if row.strip() and not row.lstrip().startswith(("|", "#")):
                if not kept:
                    line = number
                kept.append(_DIRECTIVE.sub("", row).strip())


def shown() -> Iterator[Text]:
    """All that a user or a model may read: documentation, docstrings, other texts in code, prompts."""
    yield from paragraphs()
    for path in modules():
        for node in ast.walk(_tree(path)):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value.strip():
                yield Text(_where(path, node.lineno), node.value)
    for path in sorted((ROOT / "rewardsmith/agents/prompts").rglob("*.j2")):
        for number, row in enumerate(path.read_text().splitlines(), 1):
            yield Text(_where(path, number), row)


def long_test_names() -> list[str]:
    """Tests whose name is longer than LONGEST_TEST_NAME."""
    found = []
    for path in sorted((ROOT / "tests").rglob("*.py")):
        for node in ast.walk(_tree(path)):
            if (
                isinstance(node, ast.FunctionDef)
                and node.name.startswith("test_")
                and len(node.name) > LONGEST_TEST_NAME
            ):
                found.append(f"{_where(path, node.lineno)} {node.name}")
    return found


def short_docstrings() -> list[str]:
    """Public classes and functions whose docstring has fewer than SHORTEST_DOCSTRING words."""
    found = []
    for text, name in docstrings():
        if name and not name.startswith("_") and len(text.text.split()) < SHORTEST_DOCSTRING:
            found.append(f"{text.place} {name}: {text.text}")
    return found


def long_sentences() -> list[str]:
    """Sentences over LONGEST_SENTENCE words in documentation and docstrings."""
    found = []
    texts = [*paragraphs(), *(text for text, _ in docstrings())]
    for text in texts:
        for part in re.split(r"\n\s*\n|\n\s*[-*] |\n\s*\d+\. |\n(?=\s*\w+: )", _CODE.sub("CODE", text.text)):
            for sentence in re.split(r"(?<=[.!?])\s+", " ".join(part.split())):
                count = len(sentence.split())
                if count > LONGEST_SENTENCE:
                    found.append(f"{text.place} {count} words: {sentence[:80]}...")
    return found


def broken_links() -> list[str]:
    """Links between pages whose file or heading does not exist."""
    found = []
    for path in pages():
        for match in _LINK.finditer(re.sub(r"```.*?```", "", path.read_text(), flags=re.DOTALL)):
            target = match[1] or match[2]
            if "://" in target or target.startswith("mailto:"):
                continue
            name, _, anchor = target.partition("#")
            page = (path.parent / name).resolve() if name else path
            if not page.exists():
                found.append(f"{path.relative_to(ROOT)}: {target}")
            elif anchor and anchor not in anchors(page):
                found.append(f"{path.relative_to(ROOT)}: {target}, no such heading")
    return found


def anchors(page: Path) -> set[str]:
    """The anchors that a page's headings have where it is shown."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def old_terms() -> list[str]:
    """Words of scripts/words.toml in what is shown."""
    terms = tomllib.loads((ROOT / "scripts" / "words.toml").read_text())["term"]
    rules = [(re.compile(rf"\b(?:{term['word']})\b", re.IGNORECASE), term["use"]) for term in terms]
    found = []
    for text in shown():
        for rule, use in rules:
            if match := rule.search(text.text):
                found.append(f"{text.place} {match.group()!r}: {use}")
    return found


FIGURES: dict[str, Callable[[], list[str]]] = {
    f"names of tests over {LONGEST_TEST_NAME} characters": long_test_names,
    f"public docstrings under {SHORTEST_DOCSTRING} words": short_docstrings,
    f"sentences over {LONGEST_SENTENCE} words": long_sentences,
    "broken links between pages": broken_links,
    "terms of scripts/words.toml": old_terms,
}
"""A figure's name, and what lists the places that it counts."""


def main() -> None:
    """Parse the command line and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--list", action="store_true", help="also name the places")
    options = parser.parse_args()
    for name, find in FIGURES.items():
        found = find()
        print(f"{len(found):5,} {name}")
        if options.list:
            print("".join(f"        {place}\n" for place in found), end="")


if __name__ == "__main__":
    main()

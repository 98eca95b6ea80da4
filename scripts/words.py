"""Count what is hard to read in the project's English and in the names of its tests.

.venv/bin/python -m scripts.words                       # one line per figure
.venv/bin/python -m scripts.words --list                # also each place
.venv/bin/python -m scripts.words --check               # exit status 1 if a figure is too high; part of `make check`

scripts/words.toml holds the terms that the project does not use, and the accepted exceptions with their reasons.
"""

from __future__ import annotations

import argparse
import ast
import inspect
import re
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).parents[1]
LONGEST_TEST_NAME = 70  # characters
LONGEST_SENTENCE = 40  # words
SHORTEST_DOCSTRING = 5  # words

_API = ("rewardsmith", "sandbox", "workers")
"""Packages whose public objects need docstrings that say something."""

_PROGRAMS = ("benchmarks", "scripts", "examples")
"""Folders of programs: their docstrings and messages are read, but other code does not import them."""

_FENCE = re.compile(r"^```.*?^```|<!--.*?-->", re.DOTALL | re.MULTILINE)
_SPAN = re.compile(r"(`+)(?!`).+?(?<!`)\1(?!`)|https?://\S+", re.DOTALL)
_LINK = re.compile(r"!?\[(?:[^\[\]]|\[[^\]]*\])*\]\(([^)\s]+)(?:\s+\"[^\"]*\")?\)|(?:href|src)=\"([^\"]+)\"")
_ITEM = re.compile(r"\s*(?:[-*+]|\d+[.)]) ")
_SECTION = re.compile(r"\s*(?:Args|Arguments|Attributes|Returns|Yields|Raises|Note|Notes|Example|Examples):\s*$")
_COMMAND = re.compile(r"\s*(?:\.venv/bin/|python -m |\$ |>>> )")
_ENTRY = re.compile(r"\s*[\w*`.]+(?:, [\w*`.]+)*(?: \([^)]*\))?: ")
# The end of a sentence: not an abbreviation's point, and an ellipsis only before a capital letter.
_ABBREVIATION = "".join(
    rf"(?<!\b{word})" for word in (r"e\.g\.", r"i\.e\.", r"cf\.", r"vs\.", r"al\.", r"Eq\.", r"Fig\.")
)
_END = re.compile(rf"(?:(?<=[.!?]){_ABBREVIATION}(?<!\.\.\.)|(?<=\.\.\.)(?=\s+[A-Z(]))[)\"'”*_]*\s+")


@dataclass(frozen=True)
class Text:
    """A stretch of prose. line: where it begins in the file, from 1."""

    path: str
    line: int
    text: str


@dataclass(frozen=True)
class Finding:
    """A place that a figure counts. line: from 1; text: what an exception names to accept the place."""

    path: str
    line: int
    text: str
    remark: str = ""

    def __str__(self) -> str:
        return f"{self.path}:{self.line} {self.text}{self.remark and ': '}{self.remark}"


class Project:
    """The project's pages, modules and tests under `root`, each read once."""

    def __init__(self, root: Path = ROOT) -> None:
        self.root = root
        self._trees: dict[Path, ast.Module] = {}
        self._pages: dict[Path, str] = {}

    @cached_property
    def rules(self) -> dict:
        """Contents of scripts/words.toml: `term`, `exception` and `limit`."""
        return tomllib.loads((self.root / "scripts" / "words.toml").read_text())

    @cached_property
    def pages(self) -> list[Path]:
        """Markdown files of the documentation, without the results of benchmarks and the tests' snapshots."""
        found = [*self.root.glob("*.md"), *(self.root / "docs").rglob("*.md")]
        return sorted([*found, *(p for f in (*_API, *_PROGRAMS) for p in (self.root / f).glob("*.md"))])

    def modules(self, *folders: str) -> list[Path]:
        """Python files under `folders`, without programs that people and models wrote for measurements."""
        found = [p for folder in folders for p in sorted((self.root / folder).rglob("*.py"))]
        return [p for p in found if p.parent.name != "programs" or p.stem.isidentifier()]

    def tree(self, path: Path) -> ast.Module:
        """The syntax tree of a module."""
        if path not in self._trees:
            self._trees[path] = ast.parse(path.read_text())
        return self._trees[path]

    def page(self, path: Path) -> str:
        """The text of a page."""
        if path not in self._pages:
            self._pages[path] = path.read_text()
        return self._pages[path]

    def name(self, path: Path) -> str:
        """The path of a file relative to the root."""
        return path.relative_to(self.root).as_posix()

    def sentences(self) -> Iterator[Text]:
        """Sentences of the pages and of all docstrings; a code span counts as one word."""
        for path in self.pages:
            for block in blocks(self.page(path)):
                yield from (Text(self.name(path), block.line, s) for s in split_sentences(block.text))
        for path in self.modules(*_API, *_PROGRAMS):
            for line, text in docstrings(self.tree(path)):
                for block in blocks(text, docstring=True):
                    yield from (Text(self.name(path), line + block.line - 1, s) for s in split_sentences(block.text))

    def shown(self) -> Iterator[Text]:
        """All that a user or a model may read: pages, docstrings, other texts in code, prompts."""
        for path in self.pages:
            yield Text(self.name(path), 1, self.page(path))
        for path in self.modules(*_API, *_PROGRAMS):
            if self.name(path) != "scripts/words.py":
                yield from (Text(self.name(path), line, text) for line, text in strings(self.tree(path)))
        for path in sorted((self.root / "rewardsmith").rglob("*.j2")):
            yield Text(self.name(path), 1, path.read_text())


def blocks(text: str, docstring: bool = False) -> Iterator[Text]:
    """Divide Markdown into paragraphs, headings, list items and table cells, without code blocks.

    Args:
        text: a page, or a docstring without its indentation.
        docstring: also divide at sections such as `Args:` and at their entries, `name: ...`; text indented after an
            empty line is code unless it belongs to a section or a list item.
    """
    text = _FENCE.sub(lambda found: re.sub(r"[^\n]", "", found.group()), text)
    kept, begun, nested, code, empty = [], 1, False, False, True
    for number, row in enumerate([*text.split("\n"), ""], 1):
        indented = row[:1].isspace()
        code = docstring and (bool(_COMMAND.match(row)) or (indented and not nested and (empty or code)))
        heading, cells = row.startswith("#"), row.lstrip().startswith("|")
        section = docstring and bool(_SECTION.match(row))
        starts = bool(_ITEM.match(row)) or heading or (docstring and bool(_ENTRY.match(row)))
        if kept and (not row.strip() or starts or cells or code or section):
            yield Text("", begun, " ".join(kept))
            kept = []
        if row.strip() and not indented:
            nested = bool(_SECTION.match(row) or _ITEM.match(row) or _ENTRY.match(row))
        if cells:
            yield from (Text("", number, cell) for cell in row.strip().strip("|").split("|"))
        elif row.strip() and not code and not section:
            begun = begun if kept else number
            kept.append(_ITEM.sub("", row, count=1).strip("# \t") if starts else row.strip())
            if heading:
                yield Text("", begun, kept.pop())
        empty = not row.strip()


def split_sentences(text: str) -> list[str]:
    """The sentences of a block, each code span and address replaced by the word CODE."""
    return [sentence for sentence in _END.split(_SPAN.sub("CODE", text).strip()) if sentence]


def count_words(text: str) -> int:
    """Number of words with a letter or digit: dashes and operators do not count."""
    return sum(any(c.isalnum() for c in word) for word in text.split())


def docstrings(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and text of every docstring, at any depth; also of the strings that describe a constant or a field."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            for before, item in zip([node, *node.body], node.body, strict=False):
                described = before is node or isinstance(before, ast.Assign | ast.AnnAssign)
                value = getattr(item.value, "value", None) if isinstance(item, ast.Expr) else None
                if described and isinstance(value, str):
                    yield item.lineno, inspect.cleandoc(value)


def strings(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and text of every string, docstrings included; a formatted one whole, with {} for its values."""
    inside: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            pieces = [part for part in node.values if isinstance(part, ast.Constant)]
            inside |= {id(part) for part in pieces}
            yield node.lineno, "".join(str(p.value) if isinstance(p, ast.Constant) else "{}" for p in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inside:
            yield node.lineno, node.value


def public_objects(tree: ast.Module) -> Iterator[tuple[str, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Public classes, functions, methods and properties of a module, with their dotted names.

    An object is private if it stands in a function, or if its name or that of a class around it begins with an
    underscore (special methods too). Overloads and setters are left out: the implementation and the getter have the
    docstring.
    """

    def walk(body: list[ast.stmt], prefix: str) -> Iterator:
        for node in body:
            if isinstance(node, ast.If | ast.Try | ast.With):
                yield from walk([*node.body, *getattr(node, "orelse", [])], prefix)
            elif isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                names = {ast.unparse(decorator).rpartition(".")[2] for decorator in node.decorator_list}
                if not node.name.startswith("_") and not names & {"overload", "setter", "deleter"}:
                    yield prefix + node.name, node
                    if isinstance(node, ast.ClassDef):
                        yield from walk(node.body, f"{prefix}{node.name}.")

    yield from walk(tree.body, "")


def long_test_names(project: Project) -> list[Finding]:
    """Tests whose name is longer than LONGEST_TEST_NAME."""
    found = []
    for path in project.modules("tests"):
        for node in ast.walk(project.tree(path)):
            name = node.name if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) else ""
            if name.startswith("test_") and len(name) > LONGEST_TEST_NAME:
                found.append(Finding(project.name(path), node.lineno, name, f"{len(name)} characters"))
    return found


def short_docstrings(project: Project) -> list[Finding]:
    """Modules and public objects whose docstring has fewer than SHORTEST_DOCSTRING words."""
    found = []
    for path in project.modules(*_API):
        if "export_parts" in path.parts or "hand_rewards" in path.parts:
            continue  # text that exported files carry
        for name, node in [("", project.tree(path)), *public_objects(project.tree(path))]:
            text = ast.get_docstring(node)
            if text and count_words(text) < SHORTEST_DOCSTRING:
                found.append(Finding(project.name(path), getattr(node, "lineno", 1), name, " ".join(text.split())))
    return found


def long_sentences(project: Project) -> list[Finding]:
    """Sentences over LONGEST_SENTENCE words in the pages and in docstrings."""
    return [
        Finding(text.path, text.line, text.text, f"{count_words(text.text)} words")
        for text in project.sentences()
        if count_words(text.text) > LONGEST_SENTENCE
    ]


def broken_links(project: Project) -> list[Finding]:
    """Links in pages to a file or a heading that does not exist."""
    found = []
    for path in project.pages:
        for line, target in links(project.page(path)):
            name, _, anchor = target.partition("#")
            page = (path.parent / name).resolve() if name else path
            if not page.exists():
                found.append(Finding(project.name(path), line, target, "no such file"))
            elif anchor and (page.suffix != ".md" or anchor not in anchors(page.read_text())):
                found.append(Finding(project.name(path), line, target, "no such heading"))
    return found


def unreachable_pages(project: Project) -> list[Finding]:
    """Pages that no chain of links from README.md leads to."""
    reached, waiting = set(), [project.root / "README.md"]
    while waiting:
        path = waiting.pop()
        if path in reached or path not in project.pages:
            continue
        reached.add(path)
        for _, target in links(project.page(path)):
            found = (path.parent / target.partition("#")[0]).resolve()
            waiting += [found, found / "README.md"]
    return [Finding(project.name(path), 1, "not linked") for path in project.pages if path not in reached]


def links(page: str) -> Iterator[tuple[int, str]]:
    """Line and target of a page's links to files of the project, those in code left out."""
    text = _FENCE.sub(lambda found: re.sub(r"[^\n]", " ", found.group()), page)
    text = re.sub(r"`[^`\n]*`", lambda found: "_" * len(found.group()), text)
    for found in _LINK.finditer(text):
        target = found[1] or found[2]
        if "://" not in target and not target.startswith("mailto:"):
            yield text.count("\n", 0, found.start()) + 1, target


def anchors(page: str) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", _FENCE.sub("", page), re.MULTILINE)
    plain = [re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).strip() for heading in headings]
    names = [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in plain]
    seen: Counter[str] = Counter()
    found = set()
    for name in names:
        found.add(f"{name}-{seen[name]}" if seen[name] else name)
        seen[name] += 1
    return found


def old_terms(project: Project) -> list[Finding]:
    """Terms of scripts/words.toml in what is shown."""
    spelled = [(term["word"].replace(" ", r"[\s>#]+"), term["use"]) for term in project.rules.get("term", [])]
    rules = [(re.compile(rf"\b(?:{word})\b", re.IGNORECASE), use) for word, use in spelled]
    found = []
    for text in project.shown():
        for rule, use in rules:
            for match in rule.finditer(text.text):
                line = text.line + text.text.count("\n", 0, match.start())
                found.append(Finding(text.path, line, " ".join(match.group().split()), use))
    return found


FIGURES = {
    "test-names": (f"names of tests over {LONGEST_TEST_NAME} characters", long_test_names),
    "docstrings": (f"public docstrings under {SHORTEST_DOCSTRING} words", short_docstrings),
    "sentences": (f"sentences over {LONGEST_SENTENCE} words", long_sentences),
    "links": ("broken links between pages", broken_links),
    "pages": ("pages that README.md does not lead to", unreachable_pages),
    "terms": ("terms that scripts/words.toml replaces", old_terms),
}
"""By the name that scripts/words.toml uses: a figure's description, and the function that lists its places."""


def measure(project: Project, figure: str) -> tuple[list[Finding], list[dict]]:
    """A figure's places without the accepted exceptions, and the exceptions that no place needs any more."""
    exceptions = [e for e in project.rules.get("exception", []) if e["figure"] == figure]
    found, used = [], set()
    for place in FIGURES[figure][1](project):
        accepted = [k for k, e in enumerate(exceptions) if _accepts(e, place)]
        used |= set(accepted)
        found += [] if accepted else [place]
    return found, [e for k, e in enumerate(exceptions) if k not in used]


def _accepts(exception: dict, place: Finding) -> bool:
    """Whether an entry of scripts/words.toml names this place: its file, and how its text begins."""
    return place.path == exception["path"] and place.text.lower().startswith(exception["text"].lower())


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    """Print the figures; return 1 with --check if one is above its limit or an exception is no longer needed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--list", action="store_true", help="also name the places")
    parser.add_argument("--check", action="store_true", help="exit with status 1 if a figure is above its limit")
    options = parser.parse_args(arguments)
    project, failed = Project(root), False
    for figure, (description, _) in FIGURES.items():
        found, unused = measure(project, figure)
        above = len(found) > project.rules.get("limit", {}).get(figure, 0)
        failed |= above or bool(unused)
        print(f"{len(found):5,} {description}")
        if options.list or (options.check and above):
            print("".join(f"        {place}\n" for place in found), end="")
        for exception in unused:
            print(f"        scripts/words.toml: remove the exception {exception['path']} {exception['text']!r}")
    return int(options.check and failed)


if __name__ == "__main__":
    sys.exit(main())

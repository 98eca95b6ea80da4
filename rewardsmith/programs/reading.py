"""Reads programs from a language model's answer, without executing any of it.

Models put code in prose, reasoning, several fences or none. In every case a piece counts as code if it parses as
Python and defines the right names. `UnreadableAnswer.reason` is written for the model: it goes into the next prompt.
"""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from rewardsmith.programs.answer_text import UNFINISHED, UnreadableAnswer, fences, plain, without_reasoning
from rewardsmith.programs.json_answers import read_json
from rewardsmith.programs.reasoning import Parts
from rewardsmith.programs.refusals import form_of, listed, omission, shape_of, way_on
from rewardsmith.programs.unwrapping import unwrapped, with_functions, without_searched
from rewardsmith.syntax import NotPython, parse_module

__all__ = [
    "MAX_SOURCE_BYTES",
    "ReadProgram",
    "UnreadableAnswer",
    "parse",
    "read_json",
    "read_program",
]

MAX_SOURCE_BYTES = 64 * 1024
MAX_BLOCKS = 1000

DECLARATIONS = ("USES",)
"""Names that a program may define although its own code does not use them."""


@dataclass(frozen=True)
class ReadProgram:
    """A program that was read from an answer.

    Attributes:
        source: Python that parses and defines the required functions, at most 64 kB.
        thoughts: The rest of the answer.
    """

    source: str
    thoughts: str


def read_program(text: str, functions: tuple[str, ...]) -> ReadProgram:
    """Return the program in `text` that defines all of `functions` at its top level.

    The last version of a function counts. A program that is split over several blocks is joined in their order. Raises
    UnreadableAnswer if there is no program, if it is incomplete, or if it exceeds 64 kB.
    """
    parts = without_reasoning(plain(text))
    try:
        return _read_program(parts, functions)
    except UnreadableAnswer as unreadable:
        # Only the answer is rewritten: a draft in the reasoning must not come out of it.
        for rewritten in unwrapped(parts.answer):
            try:
                inner = without_reasoning(rewritten)
                return _read_program(replace(parts, answer=inner.answer), functions)
            except UnreadableAnswer:
                continue
        raise unreadable from None


def _read_program(parts: Parts, functions: tuple[str, ...]) -> ReadProgram:
    answer = without_searched(parts.answer)
    fenced = [_block(f.first, f.last, f.body, f.closed) for f in fences(answer)[-MAX_BLOCKS:]]
    bare = _outside(answer, fenced)
    attempts = (fenced, _unfenced(bare), _unfenced(_dedented(bare)))
    for blocks in attempts:
        chosen = _choose(blocks, functions)
        if chosen:
            source = "\n\n\n".join(block.source.strip("\n") for block in chosen) + "\n"
            parse(source)  # together they may be too large
            if (left_out := omission(source)) is not None:
                raise UnreadableAnswer(left_out)
            source = with_functions(source, functions)
            rest = re.sub(r"\n{3,}", "\n\n", _outside(answer, chosen)).strip()
            return ReadProgram(source, "\n\n".join(part for part in (parts.reasoning, rest) if part))
    if not parts.ended:
        raise UnreadableAnswer(UNFINISHED)
    raise UnreadableAnswer(_why_not(parts.answer, [block for blocks in attempts for block in blocks], functions))


def parse(source: str) -> ast.Module:
    """Return the syntax tree of `source`. Raises UnreadableAnswer if it cannot be parsed or exceeds 64 kB."""
    if len(source) > MAX_SOURCE_BYTES or len(source.encode("utf-8", "surrogatepass")) > MAX_SOURCE_BYTES:
        raise UnreadableAnswer(f"The program is longer than {MAX_SOURCE_BYTES // 1024} kB.")
    try:
        return parse_module(source)
    except NotPython as error:
        if not error.in_syntax:
            raise UnreadableAnswer(f"The program cannot be parsed: {error.reason}.") from None
        where = f"line {error.line}" if error.line else "the program"
        shown = f": `{error.shown}`" if error.shown else ""
        raise UnreadableAnswer(f"Syntax error in {where}: {error.reason}{shown}.") from None


# ---- blocks of code


@dataclass(frozen=True)
class _Block:
    """Lines [first, last) of the answer that may be code, and the result of parsing them.

    defined: names bound at the top level. functions: those of them that are plain functions with a body. missing: names
    that are used but not bound. fault: reason why it does not parse, "" if it does.
    """

    first: int
    last: int
    source: str
    closed: bool = True
    fault: str = ""
    defined: frozenset[str] = frozenset()
    functions: frozenset[str] = frozenset()
    missing: frozenset[str] = frozenset()


def _block(first: int, last: int, source: str, closed: bool = True) -> _Block:
    try:
        tree = parse(source)
    except UnreadableAnswer as error:
        return _Block(first, last, source, closed, error.reason)
    defined, functions = _definitions(tree)
    return _Block(first, last, source, closed, "", defined, functions, _used(tree) - defined)


def _definitions(tree: ast.Module) -> tuple[frozenset[str], frozenset[str]]:
    names: set[str] = set()
    functions: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
            if isinstance(node, ast.FunctionDef) and not _is_stub(node):
                functions.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names.update((alias.asname or alias.name).split(".")[0] for alias in node.names)
        elif isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            bound = {n.id for target in targets for n in ast.walk(target) if isinstance(n, ast.Name)}
            names |= bound
            functions |= bound if isinstance(node.value, ast.Lambda) else set()
    return frozenset(names), frozenset(functions)


def _is_stub(node: ast.FunctionDef) -> bool:
    """Whether the body is `...`, `pass` or a docstring, as in a signature that prose quotes."""
    return all(
        isinstance(line, ast.Pass) or (isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant))
        for line in node.body
    )


def _used(tree: ast.Module) -> frozenset[str]:
    """Names that are read but not bound, and strings that could be names: programs list predicates either way."""
    used: set[str] = set()
    bound = set(dir(builtins))
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            (used if isinstance(node.ctx, ast.Load) else bound).add(node.id)
        elif isinstance(node, ast.arg):
            bound.add(node.arg)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.isidentifier():
            used.add(node.value)
    return frozenset(used - bound)


_STATEMENT = re.compile(r"(def |class |async def |import |from |@|[A-Za-z_]\w*\s*(:[^=\n]*)?=[^=])")
_CONTINUES = re.compile(r"(\s|[)\]}]|#|$)")


def _unfenced(text: str) -> list[_Block]:
    """Top-level statements between prose, as blocks; one block if the whole text is Python."""
    lines = text.split("\n")
    first = next((i for i, line in enumerate(lines) if line.strip()), 0)
    if lines[first].strip().lower() in ("python", "python3", "py"):
        lines[first] = ""  # the tag of a missing fence, which would parse as a name
        text = "\n".join(lines)
    whole = _block(0, len(lines), text)
    if whole.functions:
        return [whole]
    blocks: list[_Block] = []
    start = 0
    while start < len(lines):
        end = start + 1
        if _STATEMENT.match(lines[start]):
            decorated = lines[start].startswith("@")
            while end < len(lines) and (_CONTINUES.match(lines[end]) or decorated):
                decorated = decorated and lines[end].startswith("@")
                end += 1
            blocks.append(_block(start, end, "\n".join(lines[start:end])))
            if len(blocks) > MAX_BLOCKS:
                raise UnreadableAnswer(f"The answer contains more than {MAX_BLOCKS} separate pieces of code.")
        start = end
    return blocks


_CLASS = re.compile(r"(?m)^class \w+[ \t]*(?:\(.*\))?[ \t]*:")


def _dedented(text: str) -> str:
    """`text` with Markdown's indented code moved to the margin; "" if it is indented as the body of a class."""
    if _CLASS.search(text):
        return ""
    return re.sub(r"(?m)^( {4}|\t)", "", text)


def _outside(text: str, blocks: Iterable[_Block]) -> str:
    """`text` with the lines of `blocks` blanked."""
    lines = text.split("\n")
    for block in blocks:
        lines[block.first : block.last] = [""] * (block.last - block.first)
    return "\n".join(lines)


# ---- choosing


def _choose(blocks: list[_Block], functions: tuple[str, ...]) -> list[_Block]:
    """The blocks that together define `functions` and the names these use, in order; [] if a function is missing.

    Raises UnreadableAnswer if a later version of a function, or a definition that it uses, does not parse.
    """
    usable = [block for block in blocks if not block.fault]
    last = {name: block for block in usable for name in block.functions}
    if not set(functions) <= last.keys():
        return []
    anywhere = {name: block for block in usable for name in block.defined}
    chosen, have, lacking = _with_what_they_use({last[name] for name in functions}, anywhere)
    newest = {name: last[name].first for name in functions}
    for block in blocks:
        for name in _attempted(block):
            if block.first > newest.get(name, block.first) or name in lacking - have:
                raise UnreadableAnswer(_fault_of(block))
    return sorted(chosen, key=lambda block: block.first)


def _with_what_they_use(first: set[_Block], anywhere: dict[str, _Block]) -> tuple[set[_Block], set[str], set[str]]:
    """`first` and, recursively, the blocks that define the names these use; the names defined; the names used."""
    chosen, have, lacking = set[_Block](), set[str](), set[str]()
    added = first
    while added:
        chosen |= added
        have |= {name for block in added for name in block.defined}
        new = {name for block in added for name in block.missing} | (set(DECLARATIONS) - lacking)
        lacking |= new
        added = {anywhere[name] for name in new - have if name in anywhere} - chosen
    return chosen, have, lacking


def _attempted(block: _Block) -> set[str]:
    """Names of the functions defined in a block that does not parse."""
    return set(re.findall(r"(?m)^[ \t]*def (\w+)", block.source)) if block.fault else set()


def _fault_of(block: _Block) -> str:
    return block.fault if block.closed else f"The program is cut off before its end. {block.fault}"


def _why_not(answer: str, blocks: list[_Block], functions: tuple[str, ...]) -> str:
    """Every reason why the answer was rejected, the most useful first, and what to write instead."""
    defined = {name for block in blocks for name in block.functions}
    lacking = [name for name in functions if name not in defined] or list(functions)
    faults = [_fault_of(block) for block in blocks if _attempted(block) & set(lacking)][:1]
    trees = [parse(block.source) for block in blocks if not block.fault]
    shapes = [sentence for name in lacking for sentence in shape_of(name, trees)]
    reasons = [*faults, *form_of(answer), *shapes]
    others = sorted(defined - set(functions))
    if others and not faults and not shapes:
        called = f" Call it {listed(lacking)}." if len(others) == len(lacking) == 1 else ""
        reasons.append(f"The program does not define {listed(lacking)}; it defines {listed(others)}.{called}")
    elif not reasons and defined:
        reasons.append(f"The program does not define {listed(lacking)}; it defines {listed(sorted(defined))}.")
    elif not reasons and any(_does_something(tree) for tree in trees):
        reasons.append(f"The Python in the answer does not define {listed(lacking)}.")
    elif not reasons:
        return f"There is no Python program in the answer. Define {listed(lacking)} in one fenced block."
    has_remedy = len(faults) == len(reasons) or any("Write" in reason or "Call it" in reason for reason in reasons)
    return " ".join([*dict.fromkeys(reasons), *([] if has_remedy else [way_on(functions)])])


def _does_something(tree: ast.Module) -> bool:
    """Whether the text is a program, rather than prose that happens to parse as one."""
    return any(not isinstance(node, ast.Expr | ast.AnnAssign) for node in tree.body)

"""Success conditions of task descriptions: an expression over named values, checked and turned into a function."""

from __future__ import annotations

import ast
import difflib
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rewardsmith.errors import UsageError
from rewardsmith.syntax import NotPython, evaluate, parse_expression
from rewardsmith.tasks.described.reading import FUNCTIONS, Condition

ALWAYS = ("step", "length", "terminated", "truncated", "reward", "episode_return")
"""Values that every condition may read beside the variables and `info`."""

UNKNOWN = ("x", "y", "z")
"""The entries of a variable of which it is not known yet whether it is a number or a vector."""

_NAMED = {"length": "step"}
"""Second names of what every condition may read."""

_OPERATORS = (
    *(ast.And, ast.Or, ast.Not, ast.USub, ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Mod),
    *(ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Eq, ast.NotEq),
)
_LONGEST_SHOWN = 200  # characters of a condition in a message
_ELSEWHERE = {
    **{name: f"info.{name}" for name in ("is_success", "success", "solved")},
    **dict.fromkeys(("env_reward", "rewards"), "reward"),
    **dict.fromkeys(("returns", "total_reward", "score"), "episode_return"),
}
"""Other usual names of the values that `step` returns, and the names that conditions use."""


@dataclass(frozen=True)
class Place:
    """Where a variable is in a state row: its first column, its length, 0 if it is no vector, and the texts that it
    may hold, whose indices the column then has."""

    first: int
    length: int = 0
    values: Sequence[str] = ()

    @property
    def text(self) -> str:
        """Python text of its value: a number, a list of numbers, a text or None."""
        if self.length:
            return f"row[{self.first}:{self.first + self.length}].tolist()"
        if self.values:
            return f"({list(self.values)!r}[int(row.item({self.first}))] if row.item({self.first}) >= 0 else None)"
        return f"row.item({self.first})"


@dataclass(frozen=True)
class Translated:
    """A condition as Python text: `test`, and the conditions inside `held(k, ...)`, each with its k.

    Every text is an expression over `v`, the values by name, and `held`, for how many steps each of the latter has been
    true. infos: the keys of `info` that it reads. names: the variables that it reads. direct: the same for a batch,
    whose expressions read the columns of a state row; None if their places were not given.
    """

    test: str
    held: tuple[tuple[int, str], ...] = ()
    infos: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    direct: Direct | None = None

    def code(self) -> str:
        """Python text of a `reading.Condition`."""
        each = "".join(f"({k}, lambda v, held: {text}), " for k, text in self.held)
        return f"Condition(lambda v, held: {self.test}, [{each}], {self.names!r})"

    def compile(self) -> Condition:
        """The condition as a function of values; only names that `translate` has allowed occur in it."""
        names = {"__builtins__": {}, "Condition": Condition, **FUNCTIONS}
        return evaluate(self.code(), names)  # the text was built from a checked tree


@dataclass(frozen=True)
class Direct:
    """A condition as Python texts over PARAMETERS, without a dict of values.

    Attributes:
        test: The expression.
        held: The conditions inside `held(k, ...)`, each with its k.
        at_end: Whether it can hold on no step except one that ends an episode.
        reads_return: Whether it reads `episode_return`.
    """

    test: str
    held: tuple[tuple[int, str], ...]
    at_end: bool
    reads_return: bool

    def functions(self) -> tuple[Callable[..., Any], list[tuple[int, Callable[..., Any]]]]:
        """The test, and each held condition with its k, as functions of PARAMETERS."""
        names = {"__builtins__": {}, "int": int, **FUNCTIONS}
        made = [
            evaluate(f"lambda {', '.join(PARAMETERS)}: {text}", names)
            for text in (self.test, *(text for _, text in self.held))
        ]
        return made[0], [(k, test) for (k, _), test in zip(self.held, made[1:], strict=True)]


PARAMETERS = ("row", "step", "reward", "terminated", "truncated", "episode_return", "info", "held")
"""The arguments of a direct test after a step, in this order."""


def translate(
    text: str,
    variables: Mapping[str, Sequence[str] | None],
    flags: Collection[str] = (),
    places: Mapping[str, Place] | None = None,
) -> Translated:
    """Check a condition such as `terminated and position >= 0.5`, and turn it into Python text.

    Args:
        text: An expression over the variables, `step` (also `length`), `terminated`, `truncated`, `reward`,
            `episode_return`, `info.NAME` and numbers. It may use + - * / %, comparisons, and, or, not, and the
            functions abs, min, max, sqrt, norm and distance. `held(k, condition)` is true if the condition was true on
            each of the last k steps.
        variables: The names of the state's variables; for a vector, the names of its entries.
        flags: Those of them that are true or false, so that one alone is a condition.
        places: Where each variable is in a state row; without it, no direct test is made.

    Raises:
        UsageError: If it is anything else, with every reason.
    """
    translator = _Translator(variables, flags)
    tree: ast.expr = ast.Constant(value=False)  # where the text is no expression
    try:
        tree = parse_expression(" ".join(text.split()) if "\n" in text.strip() else text.strip())
        test = translator.text_of(tree)
        reasons = translator.reasons
        if not reasons and _is_number(tree, flags):
            reasons.append("it is a number, neither true nor false")
    except NotPython as error:
        reasons = [str(error).removesuffix(".")]
        if re.search(r"\breturn\b", text):
            reasons = ["the return of an episode is called `episode_return`"]
        test = ""
    except (RecursionError, MemoryError):
        reasons, test = ["it is nested too deeply"], ""
    if reasons:
        shown = text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}..."
        raise UsageError(
            f"The success condition {shown!r} cannot be used: {'; '.join(dict.fromkeys(reasons))}.",
            f"Use {', '.join((*variables, *ALWAYS))}, info.NAME, numbers, comparisons, and, or, not, "
            f"{', '.join(f'{name}()' for name in _CALLS)}, held(k, condition).",
        )
    read = tuple(name for name in variables if name in translator.read)
    direct = None if places is None else _direct(tree, translator, places)
    return Translated(test, tuple(translator.held), tuple(dict.fromkeys(translator.infos)), read, direct)


def _direct(tree: ast.expr, allowed: _Translator, places: Mapping[str, Place]) -> Direct:
    """The direct test of a condition that a translator has allowed."""
    translator = _Translator(allowed.variables, allowed.flags, places)
    text = translator.text_of(tree)
    assert not translator.reasons, translator.reasons
    # An inner `held` is counted on every step.
    at_end = not translator.held and _only_at_end(tree)
    return Direct(text, tuple(translator.held), at_end, "episode_return" in translator.read)


def _only_at_end(tree: ast.expr) -> bool:
    """Whether a condition is false, without reading anything else, while an episode goes on."""
    match tree:
        case ast.Name(id="terminated" | "truncated"):
            return True
        case ast.BoolOp(op=ast.And(), values=[first, *_]):
            return _only_at_end(first)
        case ast.BoolOp(op=ast.Or(), values=values):
            return all(map(_only_at_end, values))
    return False


_CALLS = ("abs", "min", "max", "sqrt", "norm", "distance")
_OF_VECTORS = {"norm": 1, "distance": 2}
_TAKES = {
    "abs": "one number", "sqrt": "one number", "norm": "one vector", "distance": "two vectors",
    "min": "numbers, or one vector", "max": "numbers, or one vector",
}  # fmt: skip


def _negative(node: ast.expr) -> int | None:
    """A negative index such as -1; None for anything else."""
    match node:
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() as value)):
            return -value
    return None


def _is_number(tree: ast.expr, flags: Collection[str]) -> bool:
    """Whether an expression can only be a number, which is no condition."""
    if isinstance(tree, ast.Compare | ast.BoolOp) or isinstance(getattr(tree, "op", None), ast.Not):
        return False
    if isinstance(tree, ast.Name):
        return tree.id not in ("terminated", "truncated", *flags)
    if isinstance(tree, ast.Call):
        return not (isinstance(tree.func, ast.Name) and tree.func.id == "held")
    return not isinstance(tree, ast.Attribute | ast.Subscript)  # an info alone counts as true or false


@dataclass
class _Translator:
    """Walks a tree; what it does not allow is collected in `reasons`, all of it."""

    variables: Mapping[str, Sequence[str] | None]
    flags: Collection[str] = ()
    places: Mapping[str, Place] | None = None
    reasons: list[str] = field(default_factory=list)
    held: list[tuple[int, str]] = field(default_factory=list)
    infos: list[str] = field(default_factory=list)
    read: set[str] = field(default_factory=set)

    def text_of(self, node: ast.expr) -> str:
        match node:
            case ast.Constant(value=bool() | int() | float() | str() as value):
                return repr(value)
            case ast.Name(id=name):
                return self._name(name)
            case ast.Attribute() | ast.Subscript():
                return self._part(node)
            case ast.UnaryOp(op=ast.Not() | ast.USub() as op, operand=inner):
                return f"({'not ' if isinstance(op, ast.Not) else '-'}{self.text_of(inner)})"
            case ast.BoolOp(op=op, values=values):
                join = " and " if isinstance(op, ast.And) else " or "
                return f"({join.join(self.text_of(value) for value in values)})"
            case ast.BinOp(left=left, op=op, right=right) if isinstance(op, _OPERATORS):
                return f"({self.text_of(left)} {_sign(op)} {self.text_of(right)})"
            case ast.Compare(left=left, ops=[op], comparators=[right]) if isinstance(op, _OPERATORS):
                return f"({self.text_of(left)} {_sign(op)} {self.text_of(right)})"
            case ast.Compare(ops=[_, _, *_]):
                return self._wrong(f"`{ast.unparse(node)}` joins comparisons; write each alone, with `and` between")
            case ast.Call(func=ast.Name(id="held")):
                return self._held(node)
            case ast.Call(func=ast.Name(id=name), args=[_, *_], keywords=[]) if name in _CALLS:
                return self._call(name, node.args, ast.unparse(node))
        return self._wrong(f"`{ast.unparse(node)}` is not allowed")

    def _wrong(self, reason: str) -> str:
        self.reasons.append(reason)
        return "False"

    def _call(self, name: str, arguments: Sequence[ast.expr], shown: str) -> str:
        vectors = name in _OF_VECTORS or (name in ("min", "max") and len(arguments) == 1)
        if len(arguments) != _OF_VECTORS.get(name, 1 if name in ("abs", "sqrt") else len(arguments)):
            return self._wrong(f"`{shown}` has {len(arguments)} arguments, and {name} takes {_TAKES[name]}")
        if not vectors:
            return f"{name}({', '.join(self.text_of(argument) for argument in arguments)})"
        parts = []
        for argument in arguments:
            if not (isinstance(argument, ast.Name) and self.variables.get(argument.id) is not None):
                return self._wrong(
                    f"`{shown}`: `{ast.unparse(argument)}` is no vector, and {name} takes {_TAKES[name]}"
                )
            self.read.add(argument.id)
            parts.append(self._whole(argument.id))
        return f"{name}({', '.join(parts)})"

    def _name(self, name: str) -> str:
        self.read.add(name)
        entries = self.variables.get(name)
        if entries is not None and entries is not UNKNOWN:
            entry = (*entries, 0)[0]
            part = f"{name}.{entry}" if isinstance(entry, str) else f"{name}[0]"
            return self._wrong(f"`{name}` is a vector of numbers; name an entry, as in `{part}`, or use norm({name})")
        if self.places is not None and name in self.places and name not in ALWAYS:
            return self.places[name].text
        if name in self.variables or name in ALWAYS:
            return f"v[{name!r}]" if self.places is None else _NAMED.get(name, name)
        if name == "info":
            return self._wrong("`info` is a dict: name the entry, as in info.success")
        if name in _ELSEWHERE:
            return self._wrong(f"there is no `{name}`; is it `{_ELSEWHERE[name]}`?")
        near = difflib.get_close_matches(name, [*self.variables, *ALWAYS], n=1)
        return self._wrong(f"there is no `{name}`" + (f", the nearest is `{near[0]}`" if near else ""))

    def _part(self, node: ast.Attribute | ast.Subscript) -> str:
        steps: list[str | int] = []
        at: ast.expr = node
        while isinstance(at, ast.Attribute | ast.Subscript):
            if isinstance(at, ast.Attribute):
                steps.insert(0, at.attr)
            elif isinstance(at.slice, ast.Constant) and type(at.slice.value) in (int, str):
                steps.insert(0, at.slice.value)  # type: ignore[arg-type]
            elif (index := _negative(at.slice)) is not None:
                steps.insert(0, index)
            else:
                return self._wrong(f"`{ast.unparse(node)}` is not allowed: give one index or key")
            at = at.value
        if not isinstance(at, ast.Name):
            return self._wrong(f"`{ast.unparse(node)}` is not allowed")
        if at.id == "info":
            if not isinstance(steps[0], str):
                return self._wrong(f"`{ast.unparse(node)}`: `info` is a dict: name the entry, as in info.success")
            self.infos.append(str(steps[0]))
            info = "v['info']" if self.places is None else "info"
            return f"known({info}, {steps!r})"
        if at.id not in self.variables:
            return self._name(at.id)
        return self._entry(at.id, steps, ast.unparse(node))

    def _entry(self, name: str, steps: list[str | int], shown: str) -> str:
        entries = self.variables[name]
        self.read.add(name)
        if entries is None or len(steps) != 1:
            return self._wrong(f"`{shown}`: {name} is {'a number' if entries is None else 'a vector of numbers'}")
        [step] = steps
        whole = self._whole(name)
        if isinstance(step, int):
            if entries and not -len(entries) <= step < len(entries):
                return self._wrong(f"`{shown}`: {name} has {len(entries)} entries, {', '.join(entries)}")
            return self._number(name, step) or f"{whole}[{step}]"
        if step not in entries:
            return self._wrong(
                f"`{shown}`: {name} has no entry `{step}`; it has {', '.join(entries) or 'indices only'}"
            )
        index = list(entries).index(step)
        return self._number(name, index) or f"{whole}[{index}]"

    def _whole(self, name: str) -> str:
        """The value of a variable."""
        return f"v[{name!r}]" if self.places is None else self.places[name].text

    def _number(self, name: str, index: int) -> str | None:
        """One number of a vector, where its column is known."""
        if self.places is None or not 0 <= index < self.places[name].length:
            return None
        return f"row.item({self.places[name].first + index})"

    def _held(self, node: ast.Call) -> str:
        match node.args:
            case [ast.Constant(value=int() as count), condition] if (
                type(count) is int and count >= 1 and not (node.keywords)
            ):
                text = self.text_of(condition)
                if _is_number(condition, self.flags):
                    self.reasons.append(f"`{ast.unparse(condition)}` in held is a number, neither true nor false")
                self.held.append((count, text))
                return f"(held[{len(self.held) - 1}] >= {count})"
        return self._wrong(
            f"`{ast.unparse(node)}`: write held(k, condition) with a number of steps k, such as held(5, x > 1)"
        )


def _sign(op: ast.AST) -> str:
    names = {
        "Add": "+", "Sub": "-", "Mult": "*", "Div": "/", "Mod": "%",
        "Lt": "<", "LtE": "<=", "Gt": ">", "GtE": ">=", "Eq": "==", "NotEq": "!=",
    }  # fmt: skip
    return names[type(op).__name__]

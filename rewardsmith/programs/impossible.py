"""Finds conditions of a reward program that no state can meet, such as `state.event == "pickup"`, without running it.

A comparison is impossible if it sets a field beside a constant, or another field, whose values the schema excludes.
Numbers out of a field's range are never reported: programs use them as marks. What the inference of field_types.py does
not follow is not reported either.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from rewardsmith.syntax import NotPython, parse_module
from rewardsmith.tasks.schema import Schema

from .field_types import FieldTypes, Missing, Types
from .field_values import NUMBERS, constants, edited, may_be_equal, nearest, short, shown, values_of

_EQUAL, _WITHIN = (ast.Eq, ast.NotEq, ast.Is, ast.IsNot), (ast.In, ast.NotIn)
_TRUTHS = {"bool": (False, True), "any": (False,), "all": (True,)}
_NEGATED = (ast.NotEq, ast.IsNot, ast.NotIn)


@dataclass(frozen=True)
class Impossible:
    """A comparison that no state can meet.

    Attributes:
        node: The comparison, the key of a dict, or the pattern of a `match`.
        line: Its line, from 1.
        shown: Its text.
        why: What cannot be equal, in words.
        nearest: The nearest value that exists; None if there is none.
        value: What the comparison always is: False, or True for `!=`, `is not` and `not in`; None for a key or pattern.
        decides: Whether a whole condition is decided by it; otherwise another part of the condition can be met.
        corrected: The comparison with the nearest value; None if there is none.
    """

    node: ast.AST
    line: int
    shown: str
    why: str
    nearest: str | None
    value: bool | None
    decides: bool
    corrected: str | None = None

    @property
    def text(self) -> str:
        """The finding in one sentence, without a full stop."""
        always = {False: "is never true", True: "is always true", None: "never matches"}[self.value]
        near = f"; the nearest that exists is {self.nearest}" if self.nearest else ""
        return f"line {self.line}: `{self.shown}` {always}, because {self.why}{near}"


@dataclass(frozen=True)
class StaticFaults:
    """What the text of a program shows.

    Attributes:
        source: The program.
        impossible: Comparisons that no state can meet, by line.
        missing: Reads of fields that do not exist, by line, except those under a condition that is never met.
    """

    source: str
    impossible: tuple[Impossible, ...]
    missing: tuple[Missing, ...]

    @property
    def deciding(self) -> tuple[Impossible, ...]:
        """The comparisons that decide a whole condition."""
        return tuple(each for each in self.impossible if each.decides)

    def with_conditions_met(self) -> str | None:
        """Return the program as if each deciding comparison had its other value; None if there is none."""
        changes = [(each.node, str(not each.value)) for each in self.deciding if each.value is not None]
        return edited(self.source, changes) if changes else None

    def with_nearest_values(self) -> str | None:
        """Return the program with the nearest values that exist; None if no comparison has one."""
        changes = [(each.node, each.corrected) for each in self.impossible if each.corrected is not None]
        return edited(self.source, changes) if changes else None


def static_faults(
    source: str, schema: Schema, functions: Sequence[str], meanings: Mapping[str, str] | None = None
) -> StaticFaults:
    """Return the faults that the text of a program shows; none if it does not parse.

    Args:
        source: The program.
        schema: The schema of the states that it reads.
        functions: The functions that the host calls.
        meanings: Descriptions of values, such as events, in which a word of the program may occur.
    """
    try:
        tree = parse_module(source)
    except NotPython:
        return StaticFaults(source, (), ())
    finder = _Finder(tree, FieldTypes(tree, schema, functions), meanings or {})
    return StaticFaults(source, tuple(finder.found()), tuple(finder.missing()))


class _Finder:
    def __init__(self, tree: ast.Module, types: FieldTypes, meanings: Mapping[str, str]) -> None:
        self.tree, self.types, self.meanings = tree, types, meanings
        self.parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
        self.atoms: dict[ast.AST, Impossible] = {}
        for node in ast.walk(tree):
            for atom in self._atoms(node):
                self.atoms.setdefault(atom.node, atom)
        self.decided: dict[tuple[ast.AST | None, str], bool] = {}  # names, and functions (None), of one constant value
        for _ in range(3):
            self._decide_names()

    def found(self) -> Iterator[Impossible]:
        deciding: set[ast.AST] = set()
        for node in ast.walk(self.tree):
            if isinstance(node, ast.expr) and self._is_root(node) and self._value(node) is not None:
                deciding |= self._behind(node)
        for atom in sorted(self.atoms.values(), key=lambda a: a.line):
            yield replace(atom, decides=atom.node in deciding and atom.value is not None)

    def missing(self) -> Iterator[Missing]:
        guarded = {
            str(n.args[1].value)
            for n in ast.walk(self.tree)
            if isinstance(n, ast.Call) and isinstance(n.func, ast.Name) and n.func.id in ("hasattr", "getattr")
            if len(n.args) > 1 and isinstance(n.args[1], ast.Constant)
        }
        for each in sorted(self.types.missing.values(), key=lambda m: m.node.lineno):
            if each.node.attr not in guarded and not self._never_runs(each.node):
                yield each

    def _never_runs(self, node: ast.AST) -> bool:
        """Whether it stands under a condition that is never met, or in a `try`."""
        child, parent = node, self.parents.get(node)
        while parent is not None:
            if isinstance(parent, ast.Try) and child in parent.body:
                return True
            if isinstance(parent, ast.If | ast.IfExp) and child is not parent.test:
                body = parent.body if isinstance(parent.body, list) else [parent.body]
                if self._value(parent.test) is (child not in body):
                    return True
            if isinstance(parent, ast.BoolOp) and any(self._value(v) is not None for v in parent.values):
                return True
            child, parent = parent, self.parents.get(parent)
        return False

    def _atoms(self, node: ast.AST) -> Iterator[Impossible]:
        if isinstance(node, ast.Compare) and len(node.ops) == 1:
            yield from self._compared(node)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "get":
            yield from self._looked_up(node.func.value, node.args[0]) if node.args else ()
        elif isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load):
            yield from self._looked_up(node.value, node.slice)
        elif isinstance(node, ast.Match):
            for case in node.cases:
                for pattern in ast.walk(case.pattern):
                    if isinstance(pattern, ast.MatchValue):
                        yield from self._unequal(pattern, node.subject, pattern.value, None)

    def _compared(self, node: ast.Compare) -> Iterator[Impossible]:
        operation, left, right = node.ops[0], node.left, node.comparators[0]
        if isinstance(operation, _EQUAL):
            yield from self._unequal(node, left, right, isinstance(operation, _NEGATED))
        elif isinstance(operation, _WITHIN):
            yield from self._not_within(node, left, right, isinstance(operation, _NEGATED))

    def _unequal(self, node: ast.AST, left: ast.expr, right: ast.expr, value: bool | None) -> Iterator[Impossible]:
        one, other = self.types.of(left), self.types.of(right)
        if not constants(one) or not constants(other):
            if constants(one):
                left, right, one, other = right, left, other, one
            if not may_be_equal(one, other):
                yield self._impossible(node, (left, one), other, value, right)

    def _not_within(self, node: ast.Compare, left: ast.expr, right: ast.expr, value: bool) -> Iterator[Impossible]:
        one, many = self.types.of(left), self.types.of(right)
        if all(t.kind == "sequence" and t.entries for t in many):
            entries = frozenset().union(*(t.entries for t in many))
            if isinstance(right, ast.Tuple | ast.List | ast.Set) and not constants(one):
                yield from self._listed(node, left, right, value)
            elif not (constants(one) and constants(entries)) and not may_be_equal(one, entries):
                fields = (left, one) if not constants(one) else (right, entries)
                yield self._impossible(node, fields, entries if fields[0] is left else one, value, None)
        elif constants(one) and all(t.kind == "choice" for t in many):
            words = [str(t.value) for t in one]
            if not any(w in v for w in words for t in many for v in values_of(t)):
                yield self._impossible(node, (right, many), one, value, None)

    def _listed(
        self, node: ast.Compare, left: ast.expr, right: ast.Tuple | ast.List | ast.Set, value: bool
    ) -> Iterator[Impossible]:
        """`field in ("one", "other")`: the whole comparison if no entry can be met, else the entries that cannot."""
        one = self.types.of(left)
        wrong = [each for each in right.elts if not may_be_equal(one, self.types.of(each))]
        if len(wrong) == len(right.elts) and right.elts:
            entries = frozenset().union(*(self.types.of(each) for each in right.elts))
            yield self._impossible(node, (left, one), entries, value, right.elts[0])
            return
        for each in wrong:
            found = self._impossible(each, (left, one), self.types.of(each), None, each)
            yield Impossible(each, found.line, ast.unparse(node), found.why, found.nearest, None, False)

    def _looked_up(self, held: ast.expr, key: ast.expr) -> Iterator[Impossible]:
        """A dict with constant keys that is read by a field, or a dict by a field that is read by a constant."""
        keys, wanted = self.types.of(held), self.types.of(key)
        if not all(t.kind == "dict" and t.keys for t in keys):
            return
        every = frozenset().union(*(t.keys for t in keys))
        if constants(wanted) and not constants(every) and not may_be_equal(every, wanted):
            yield self._impossible(key, (key, every), wanted, None, None)
        elif constants(every) and not constants(wanted):
            for each in sorted(every, key=lambda t: str(t.value)):
                if each.kind == "constant" and not may_be_equal(wanted, frozenset((each,))):
                    found = self._impossible(held, (key, wanted), frozenset((each,)), None, None)
                    node = self._key_of(each.value) or held
                    text = f"{each.value!r} as a key read by {ast.unparse(key)}"
                    line = getattr(node, "lineno", found.line)
                    yield Impossible(node, line, text, found.why, found.nearest, None, False)

    def _key_of(self, value: object) -> ast.AST | None:
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Dict):
                for key in node.keys:
                    if isinstance(key, ast.Constant) and key.value == value:
                        return key
        return None

    def _impossible(
        self, node: ast.AST, field: tuple[ast.expr, Types], other: Types, value: bool | None, given: ast.expr | None
    ) -> Impossible:
        expression, types = field
        why, nearest, corrected = self._explained(ast.unparse(expression), types, other)
        line = getattr(node, "lineno", None) or getattr(expression, "lineno", 1)
        if value is None or given is None:
            corrected = None
        elif corrected is not None and value:
            corrected = f"(not {corrected})"
        return Impossible(node, line, short(ast.unparse(node)), why, nearest, value, False, corrected)

    def _explained(self, name: str, types: Types, other: Types) -> tuple[str, str | None, str | None]:
        """(why they differ, the nearest value, the comparison with it)."""
        words = sorted({t.value for t in other if t.kind == "constant" and isinstance(t.value, str)})
        given = " or ".join(sorted({shown(t) for t in other if t.kind != "none"}))
        items = [t for t in types if t.kind == "item" and t.field is not None]
        if items:
            field = items[0].field
            for each in field.fields if field is not None and words else ():
                near = nearest(words[0], each.values)
                if each.kind == "choice" and near is not None and near.lower() == words[0].lower():
                    corrected = f"({name} is not None and {name}.{each.name} == {near!r})"
                    return f"`{name}` is an object or None, not {given}", f"`{name}.{each.name} == {near!r}`", corrected
            numbers = any(t.kind in NUMBERS or isinstance(t.value, int | float) for t in other)
            also = f"`{name}.id`" if numbers else None
            return f"`{name}` is an object or None, not {given}", also, None
        values = list(dict.fromkeys(v for t in types if t.kind == "choice" for v in values_of(t)))
        if values:
            near = (nearest(words[0], values) or self._meant(words[0], values)) if words else None
            if near is not None:
                return f"`{name}` has no value {given}", repr(near), f"({name} == {near!r})"
            return f"`{name}` has no value {given}, only {', '.join(map(repr, values))}", None, None
        kinds = " or ".join(sorted({shown(t) for t in types if t.kind not in ("none", "constant")}))
        return f"`{name}` is {kinds}, not {given}", None, None

    def _meant(self, word: str, values: Sequence[str]) -> str | None:
        """The only value whose description contains a word."""
        pattern = re.compile(rf"\b{re.escape(word.lower())}\b")
        found = [v for v in values if pattern.search(self.meanings.get(v, "").lower())]
        return found[0] if len(found) == 1 else None

    def _decide_names(self) -> None:
        """Find the names and functions whose value is decided by impossible comparisons alone."""
        given: dict[tuple[ast.AST | None, str], list[bool | None]] = {}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                parent = self.parents[node]
                plain = isinstance(parent, ast.Assign) and parent.targets == [node]
                value = self._value(parent.value) if plain and isinstance(parent, ast.Assign) else None
                given.setdefault((self._function_of(node), node.id), []).append(value)
            elif isinstance(node, ast.Return):
                function = self._function_of(node)
                if isinstance(function, ast.FunctionDef):
                    value = None if node.value is None else self._value(node.value)
                    given.setdefault((None, function.name), []).append(value)
        self.decided = {key: v[0] for key, v in given.items() if v[0] is not None and len(v) == 1}

    def _function_of(self, node: ast.AST) -> ast.AST | None:
        outer = self.parents.get(node)
        while outer is not None and not isinstance(outer, ast.FunctionDef | ast.Lambda):
            outer = self.parents.get(outer)
        return outer

    def _value(self, node: ast.expr) -> bool | None:
        """The truth of a condition if impossible comparisons decide it; None if they do not."""
        if node in self.atoms:
            return self.atoms[node].value
        if isinstance(node, ast.BoolOp):
            known = [self._value(each) for each in node.values]
            deciding = isinstance(node.op, ast.Or)
            return deciding if deciding in known else None if None in known else not deciding
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            inner = self._value(node.operand)
            return None if inner is None else not inner
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            return self.decided.get((self._function_of(node), node.id))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            if node.func.id in _TRUTHS and len(node.args) == 1:
                inner = node.args[0]
                value = self._value(inner.elt if isinstance(inner, ast.GeneratorExp | ast.ListComp) else inner)
                # any() of no entries is False, and all() of no entries is True.
                return value if value in _TRUTHS[node.func.id] else None
            return self.decided.get((None, node.func.id))
        return None

    def _is_root(self, node: ast.expr) -> bool:
        """Whether a condition is no part of a larger one, nor the value of a name or function that is such a part."""
        parent = self.parents.get(node)
        if isinstance(parent, ast.BoolOp | ast.Return) or (isinstance(parent, ast.UnaryOp) and _is_not(parent)):
            return False
        if isinstance(parent, ast.GeneratorExp | ast.ListComp) and parent.elt is node:
            return not isinstance(self.parents.get(parent), ast.Call)
        if isinstance(parent, ast.Call) and isinstance(parent.func, ast.Name) and parent.func.id in _TRUTHS:
            return False
        return not (isinstance(parent, ast.Assign) and all(isinstance(t, ast.Name) for t in parent.targets))

    def _behind(self, node: ast.expr) -> set[ast.AST]:
        """The comparisons that give a decided condition its value, through names and functions."""
        if node in self.atoms:
            return {node}
        value = self._value(node)
        if isinstance(node, ast.BoolOp):
            return set[ast.AST]().union(*(self._behind(v) for v in node.values if self._value(v) is value))
        if isinstance(node, ast.UnaryOp):
            return self._behind(node.operand)
        if isinstance(node, ast.Name):
            return self._assigned((self._function_of(node), node.id))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            if node.func.id not in _TRUTHS:
                return self._assigned((None, node.func.id))
            inner = node.args[0]
            return self._behind(inner.elt if isinstance(inner, ast.GeneratorExp | ast.ListComp) else inner)
        return set()

    def _assigned(self, key: tuple[ast.AST | None, str]) -> set[ast.AST]:
        found: set[ast.AST] = set()
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Assign) and self._function_of(node) is key[0]:
                if any(isinstance(t, ast.Name) and t.id == key[1] for t in node.targets):
                    found |= {n for n in ast.walk(node.value) if n in self.atoms}
            elif isinstance(node, ast.Return) and key[0] is None and node.value is not None:
                function = self._function_of(node)
                named = isinstance(function, ast.FunctionDef) and function.name == key[1]
                found |= {n for n in ast.walk(node.value) if named and n in self.atoms}
        return found


def _is_not(node: ast.UnaryOp) -> bool:
    return isinstance(node.op, ast.Not)

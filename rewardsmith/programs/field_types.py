"""Infers which expressions of a reward program are fields of the state, without running the program.

Every name has the union of the types that are assigned to it anywhere in its function. Whatever the inference does not
follow is `UNKNOWN`, and nothing is claimed about it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from rewardsmith.tasks.schema import Field, Schema
from sandbox.grid import GRID_METHODS
from sandbox.protocol import function_signature

_PASSES = 8
_SAME_ENTRIES = frozenset(("list", "tuple", "sorted", "set", "frozenset", "reversed", "iter"))
_ONE_ENTRY = frozenset(("min", "max"))
_FILLING = frozenset(("append", "add", "insert", "extend", "update", "setdefault"))
_STATES = frozenset(("prev", "state"))


@dataclass(frozen=True)
class Type:
    """One type that an expression may have.

    Attributes:
        kind: "unknown", "none", "constant", "state", "record", "item", "sequence", "dict", or the kind of a field.
        field: The field of the state that it is, the list that an item comes from, or the record.
        value: The value of a constant.
        entries: Types of the entries of a sequence, or of a dict's values.
        keys: Types of a dict's keys.
    """

    kind: str
    field: Field | None = None
    value: Any = None
    entries: frozenset[Type] = frozenset()
    keys: frozenset[Type] = frozenset()


Types = frozenset[Type]
UNKNOWN = Type("unknown")
NONE = Type("none")
ANYTHING: Types = frozenset((UNKNOWN,))
NOTHING: Types = frozenset()
STATE: Types = frozenset((Type("state"),))


@dataclass(frozen=True)
class Missing:
    """A read of a field that does not exist.

    Attributes:
        node: The attribute.
        where: What has no such field, such as "the state" or "an object of objects".
        names: The fields that exist.
    """

    node: ast.Attribute
    where: str
    names: tuple[str, ...]


class _Scope:
    """The names of one function, or of the module."""

    def __init__(self, outer: _Scope | None) -> None:
        self.outer = outer
        self.types: dict[str, Types] = {}
        self.returned: Types = NOTHING

    def read(self, name: str) -> Types:
        if name in self.types:
            return self.types[name]
        return ANYTHING if self.outer is None else self.outer.read(name)

    def write(self, name: str, types: Types) -> None:
        self.types[name] = self.types.get(name, NOTHING) | types


class FieldTypes:
    """The types of a program's expressions.

    Args:
        tree: The program.
        schema: The schema of the states that it reads.
        functions: The functions that the host calls, such as "reward" or "potential".
    """

    def __init__(self, tree: ast.Module, schema: Schema, functions: Sequence[str]) -> None:
        self.tree, self.schema = tree, schema
        self.missing: dict[ast.Attribute, Missing] = {}
        self._module = _Scope(None)
        self._defined = {node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
        self._scopes: dict[ast.AST, _Scope] = {}
        self._scope_of: dict[ast.AST, _Scope] = {}
        self._lists = {f.name: f for f in schema if f.kind == "list"}
        tables = {f.name for f in schema if f.kind == "table"}
        self._methods = frozenset(GRID_METHODS if {"walls", "lava"} <= tables else ())
        self._prepare(tree, self._module)
        called_by_host = dict(map(function_signature, functions))
        self._passed_on()
        for name, parameters in called_by_host.items():
            self._seed(name, parameters)
        before = None
        for _ in range(_PASSES):
            self.missing.clear()
            self._visit_all()
            found = [(dict(s.types), s.returned) for s in (self._module, *self._scopes.values())]
            if found == before:
                break
            before = found
        else:
            self.missing.clear()  # still changing: nothing is certain
            for scope in (self._module, *self._scopes.values()):
                scope.types = dict.fromkeys(scope.types, ANYTHING)

    def of(self, node: ast.expr) -> Types:
        """Return the types that an expression may have; UNKNOWN is among them if it may have others."""
        return self._of(node, self._scope_of.get(node, self._module)) or ANYTHING

    def function_of(self, call: ast.Call) -> ast.FunctionDef | None:
        """Return the program's own function that is called; None for any other."""
        return self._defined.get(call.func.id) if isinstance(call.func, ast.Name) else None

    def _prepare(self, node: ast.AST, scope: _Scope) -> None:
        self._scope_of[node] = scope
        inner = scope
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            inner = self._scopes[node] = _Scope(scope)
            arguments = node.args
            plain = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
            known = isinstance(node, ast.FunctionDef) and self._defined[node.name] is node and not node.decorator_list
            for each in plain:
                inner.types[each.arg] = NOTHING if known else ANYTHING
            for each in (arguments.vararg, arguments.kwarg):
                if each is not None:
                    inner.types[each.arg] = ANYTHING
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            scope.write(node.id, NOTHING)  # until an assignment is seen
        if isinstance(node, ast.ClassDef):
            inner = self._scopes[node] = _Scope(scope)
        if isinstance(node, ast.Global | ast.Nonlocal):
            self._module.types |= dict.fromkeys(node.names, ANYTHING)
            for each in node.names:
                scope.write(each, ANYTHING)
        for child in ast.iter_child_nodes(node):
            self._prepare(child, inner)

    def _passed_on(self) -> None:
        """Parameters of methods, and of functions that are passed on rather than called, may be anything."""
        nodes = list(ast.walk(self.tree))
        called = {id(n.func) for n in nodes if isinstance(n, ast.Call)}
        by_name = {n.func.id for n in nodes if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)}
        free = {n.id for n in nodes if isinstance(n, ast.Name) and id(n) not in called}
        free |= {n.attr for n in nodes if isinstance(n, ast.Attribute)} | (set(self._defined) - by_name)
        free |= {n.name for c in nodes if isinstance(c, ast.ClassDef) for n in c.body if isinstance(n, ast.FunctionDef)}
        names = [n.name for n in nodes if isinstance(n, ast.FunctionDef)]
        for name in free | {name for name in names if names.count(name) > 1}:
            if name in self._defined:
                self._free(self._defined[name])

    def _free(self, node: ast.FunctionDef) -> None:
        for each in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs):
            self._scopes[node].write(each.arg, ANYTHING)

    def _seed(self, name: str, parameters: Sequence[str]) -> None:
        node = self._defined.get(name)
        if node is not None:
            calls = any(
                isinstance(n, ast.Name) and n.id == name and isinstance(n.ctx, ast.Load) for n in ast.walk(self.tree)
            )
            for each, parameter in zip((*node.args.posonlyargs, *node.args.args), parameters, strict=False):
                types = STATE if parameter in _STATES else ANYTHING
                # `_passed_on` has taken a function that only the host calls for one of unknown arguments.
                self._scopes[node].types[each.arg] = types | (self._scopes[node].types[each.arg] if calls else NOTHING)

    def _visit_all(self) -> None:
        for node in ast.walk(self.tree):
            scope = self._scope_of[node]
            if isinstance(node, ast.stmt):
                self._statement(node, scope)
            elif isinstance(node, ast.comprehension):
                self._bind(node.target, _entries(self._of(node.iter, scope)), scope)
            elif isinstance(node, ast.NamedExpr):
                self._bind(node.target, self._of(node.value, scope), scope)
            elif isinstance(node, ast.Call):
                self._call(node, scope)
            elif isinstance(node, ast.Attribute):
                self._of(node, scope)
            elif isinstance(node, ast.MatchAs | ast.MatchStar) and node.name:
                scope.write(node.name, ANYTHING)
            elif isinstance(node, ast.Lambda):
                self._scopes[node].returned = ANYTHING

    def _statement(self, node: ast.stmt, scope: _Scope) -> None:
        if isinstance(node, ast.Assign):
            types = self._of(node.value, scope)
            for target in node.targets:
                self._bind(target, types, scope, node.value)
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            self._bind(node.target, self._of(node.value, scope), scope, node.value)
        elif isinstance(node, ast.AugAssign):
            self._bind(node.target, ANYTHING, scope)
        elif isinstance(node, ast.For):
            self._bind(node.target, _entries(self._of(node.iter, scope)), scope)
        elif isinstance(node, ast.With):
            for item in node.items:
                if item.optional_vars is not None:
                    self._bind(item.optional_vars, ANYTHING, scope)
        elif isinstance(node, ast.Return):
            scope.returned |= frozenset((NONE,)) if node.value is None else self._of(node.value, scope)
        elif isinstance(node, ast.FunctionDef):
            inner, arguments = self._scopes[node], (*node.args.posonlyargs, *node.args.args)
            pairs = zip(arguments[len(arguments) - len(node.args.defaults) :], node.args.defaults, strict=True)
            for argument, default in pairs:
                inner.write(argument.arg, self._of(default, scope))
            if any(isinstance(n, ast.Yield | ast.YieldFrom) for n in ast.walk(node)):
                inner.returned = ANYTHING
            elif not isinstance(node.body[-1], ast.Return):
                inner.returned |= frozenset((NONE,))

    def _bind(self, target: ast.expr, types: Types, scope: _Scope, value: ast.expr | None = None) -> None:
        if isinstance(target, ast.Name):
            scope.write(target.id, types)
        elif isinstance(target, ast.Tuple | ast.List):
            same = isinstance(value, ast.Tuple | ast.List) and len(value.elts) == len(target.elts)
            values = value.elts if same and isinstance(value, ast.Tuple | ast.List) else [None] * len(target.elts)
            for each, part in zip(target.elts, values, strict=True):
                self._bind(each, ANYTHING if part is None else self._of(part, scope), scope, part)
        elif isinstance(target, ast.Starred):
            self._bind(target.value, ANYTHING, scope)
        elif isinstance(target, ast.Subscript) and isinstance(target.value, ast.Name):
            scope.write(target.value.id, ANYTHING)  # a list or dict that is filled in later

    def _call(self, node: ast.Call, scope: _Scope) -> None:
        """Give a function's parameters the types of the arguments of one call."""
        method = node.func
        if isinstance(method, ast.Attribute) and isinstance(method.value, ast.Name) and method.attr in _FILLING:
            scope.write(method.value.id, ANYTHING)
        function = self.function_of(node)
        if function is None:
            return
        inner, names = self._scopes[function], [a.arg for a in (*function.args.posonlyargs, *function.args.args)]
        if any(isinstance(a, ast.Starred) for a in node.args) or any(k.arg is None for k in node.keywords):
            self._free(function)
            return
        for name, argument in zip(names, node.args, strict=False):
            inner.write(name, self._of(argument, scope))
        for keyword in node.keywords:
            inner.write(str(keyword.arg), self._of(keyword.value, scope))

    def _of(self, node: ast.expr, scope: _Scope) -> Types:
        if isinstance(node, ast.Name):
            return scope.read(node.id)
        if isinstance(node, ast.Constant):
            return frozenset((NONE if node.value is None else Type("constant", value=node.value),))
        if isinstance(node, ast.Attribute):
            return self._attribute(node, self._of(node.value, scope))
        if isinstance(node, ast.IfExp):
            return self._of(node.body, scope) | self._of(node.orelse, scope)
        if isinstance(node, ast.BoolOp):
            return frozenset().union(*(self._of(each, scope) for each in node.values))
        if isinstance(node, ast.NamedExpr):
            return self._of(node.value, scope)
        if isinstance(node, ast.Subscript):
            return self._subscript(node, scope)
        if isinstance(node, ast.ListComp | ast.SetComp | ast.GeneratorExp):
            return frozenset((Type("sequence", entries=self._of(node.elt, scope)),))
        if isinstance(node, ast.DictComp):
            return frozenset((Type("dict", entries=self._of(node.value, scope), keys=self._of(node.key, scope)),))
        if isinstance(node, ast.Dict) and node.keys:
            keys = [ANYTHING if key is None else self._of(key, scope) for key in node.keys]
            values = [self._of(value, scope) for value in node.values]
            return frozenset((Type("dict", entries=_union(values), keys=_union(keys)),))
        if isinstance(node, ast.Tuple | ast.List | ast.Set) and node.elts:
            return frozenset((Type("sequence", entries=_union(self._of(each, scope) for each in node.elts)),))
        return self._called(node, scope) if isinstance(node, ast.Call) else ANYTHING

    def _called(self, node: ast.Call, scope: _Scope) -> Types:
        function = self.function_of(node)
        if function is not None:
            return self._scopes[function].returned
        if isinstance(node.func, ast.Attribute) and node.func.attr == "get" and node.args:
            found = self._of(node.func.value, scope)
            if found and all(t.kind == "dict" for t in found):
                rest = self._of(node.args[1], scope) if len(node.args) > 1 else frozenset((NONE,))
                return _union(t.entries for t in found) | rest
        if not isinstance(node.func, ast.Name) or not node.args or scope.read(node.func.id) != ANYTHING:
            return ANYTHING
        first = self._of(node.args[0], scope)
        if node.func.id in _SAME_ENTRIES:
            return frozenset((Type("sequence", entries=_entries(first)),))
        if node.func.id == "next":
            return _entries(first) | (self._of(node.args[1], scope) if len(node.args) > 1 else NOTHING)
        if node.func.id in _ONE_ENTRY and len(node.args) == 1:
            rest = [self._of(k.value, scope) for k in node.keywords if k.arg == "default"]
            return _union([_entries(first), *rest])
        return ANYTHING

    def _subscript(self, node: ast.Subscript, scope: _Scope) -> Types:
        found = self._of(node.value, scope)
        if isinstance(node.slice, ast.Slice):
            return found if found and all(t.kind in ("sequence", "list") for t in found) else ANYTHING
        if found and all(t.kind == "dict" for t in found):
            return _union(t.entries for t in found)
        return _entries(found)

    def _attribute(self, node: ast.Attribute, owners: Types) -> Types:
        found: Types = NOTHING
        for owner in owners:
            fields = self._fields_of(owner)
            if fields is None:
                found |= NOTHING if owner.kind == "none" else ANYTHING
                continue
            field = next((f for f in fields if f.name == node.attr), None)
            if field is not None:
                found |= frozenset((self.type_of(field),))
            elif self._is_method(owner, node.attr):
                found |= ANYTHING
            elif all(o == owner or o.kind == "none" for o in owners):
                where = _described(owner)
                self.missing[node] = Missing(node, where, tuple(f.name for f in fields))
                return ANYTHING
            else:
                found |= ANYTHING
        return found

    def _is_method(self, owner: Type, name: str) -> bool:
        """Whether an attribute that is no field exists: a helper of grids, a method of tuples, a private name."""
        if name.startswith("_") or (owner.kind == "state" and name in self._methods):
            return True
        return owner.kind == "item" and hasattr(tuple, name)

    def _fields_of(self, owner: Type) -> Iterable[Field] | None:
        if owner.kind == "state":
            return self.schema.fields
        return owner.field.fields if owner.kind in ("record", "item") and owner.field is not None else None

    def type_of(self, field: Field) -> Type:
        """Return the type of a field."""
        if field.kind == "item":
            return Type("item", self._lists[field.of])
        if field.kind == "list":
            return Type("sequence", field, entries=frozenset((Type("item", field),)))
        return Type(field.kind, field)


def _described(owner: Type) -> str:
    if owner.field is None:
        return "the state"
    return f"an entry of `{owner.field.name}`" if owner.kind == "item" else f"`{owner.field.name}`"


def _union(many: Iterable[Types]) -> Types:
    return frozenset().union(*many)


def _entries(types: Types) -> Types:
    """Types of the entries of a sequence; of a dict's keys."""
    found: Types = NOTHING
    for each in types:
        if each.kind == "sequence":
            found |= each.entries
        elif each.kind == "dict":
            found |= each.keys
        elif each.kind == "vector" and each.field is not None:
            found |= frozenset((Type(each.field.of),))
        elif each.kind != "none":
            found |= ANYTHING
    return found

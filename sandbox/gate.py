"""Static checks on reward code: feedback for the model that wrote it. The kernel is the boundary, not this file.

`check` reads the text and never runs it. Each finding states a line, the fault and what to write instead. Usual
Python passes: loops, classes, comprehensions, dataclasses, f-strings, type hints, helpers.
"""

from __future__ import annotations

import ast
import builtins
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence

from . import facade
from .findings import MAX_FINDINGS, Finding, one_line
from .protocol import action_constants, function_signature

MAX_CHARACTERS = 100_000
_MUTATORS = frozenset(
    facade.words(
        """
        add append appendleft clear discard extend extendleft fill insert pop popitem popleft put remove
        resize reverse rotate setdefault sort subtract update
        """
    )
)
_MUTABLE_CALLS = frozenset(("list", "dict", "set", "deque", "defaultdict", "Counter", "OrderedDict", "bytearray"))
_ITERATORS = frozenset(
    facade.words("iter count cycle repeat chain islice map filter zip enumerate reversed accumulate")
)
_FUNCTIONS = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
# Attributes that lead from a generator, a coroutine or a traceback to the caller's names.
_FRAMES = frozenset(
    facade.words("gi_frame gi_code cr_frame ag_frame tb_frame tb_next f_back f_globals f_locals f_builtins f_code")
)
# Parts of enumerations, whatever the name of the variable that they are read from.
_INNER = frozenset(facade.words("_value2member_map_ _member_map_ _member_names_"))
_STATISTICS = frozenset(("cache_info", "cache_clear", "cache_parameters"))
_KEEP = "keep it in the dict `memory`, an argument of each call"


def check(
    source: str,
    functions: Sequence[str],
    uses: Mapping[str, str] | Iterable[str] = (),
    actions: Sequence[str] | None = None,
) -> list[Finding]:
    """Return all findings by line, at most MAX_FINDINGS. Their texts are single lines of printable characters.

    Args:
        source: Text of the program.
        functions: Names of the required functions, or "name(parameters)".
        uses: Feature of each costly field, or names of features that equal their fields.
        actions: The task's action names; None to not report undefined names.
    """
    return [Finding(f.line, one_line(f.message), one_line(f.remedy)) for f in _found(source, functions, uses, actions)]


def _found(
    source: str, functions: Sequence[str], uses: Mapping[str, str] | Iterable[str], actions: Sequence[str] | None
) -> list[Finding]:
    features = dict(uses) if isinstance(uses, Mapping) else {name: name for name in uses}
    if len(source) > MAX_CHARACTERS:
        return [Finding(1, f"the program has {len(source)} characters", f"stay below {MAX_CHARACTERS}")]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(source)
            compile(source, "<program>", "exec", dont_inherit=True)
        return sorted(_all_findings(tree, functions, features, actions))[:MAX_FINDINGS]
    except SyntaxError as problem:
        return [Finding(problem.lineno or 1, f"syntax error: {problem.msg}", "write valid Python 3.11")]
    except (ValueError, RecursionError, MemoryError, OverflowError) as problem:
        return [Finding(1, f"the program cannot be parsed: {problem}", "write shorter, flatter code")]


def ignores_action(source: str, functions: Sequence[str]) -> bool:
    """Return whether no function can depend on the action: each is a plain definition that does not use it.

    Names that give access to a function's variables count as using it. Returns False in all cases of doubt.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            nodes = list(ast.walk(ast.parse(source)))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    bound = list(_bound_names(nodes[0]))
    for name, parameters in map(function_signature, functions):
        if "action" not in parameters:
            continue
        found = [node for node in nodes if isinstance(node, ast.FunctionDef) and node.name == name]
        if len(found) != 1 or found[0].decorator_list or bound.count(name) != 1:
            return False
        arguments = found[0].args
        plain = arguments.posonlyargs + arguments.args
        if arguments.vararg or arguments.kwarg or len(plain) < len(parameters):
            return False
        hidden = {plain[parameters.index("action")].arg, "locals", "vars", "eval", "exec", "dir", "super"}
        if any(isinstance(node, ast.Name) and node.id in hidden for node in ast.walk(found[0])):
            return False
    return True


def _all_findings(
    tree: ast.Module, functions: Sequence[str], features: Mapping[str, str], actions: Sequence[str] | None
) -> set[Finding]:
    findings = {*_required(tree, functions), *_Rules(tree, features).run(), *_declared(tree, features)}
    return findings if actions is None else findings | set(_undefined(tree, actions))


def _required(tree: ast.Module, functions: Sequence[str]) -> Iterator[Finding]:
    defined = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    for function in functions:
        name, parameters = function_signature(function)
        wanted = f"def {name}({', '.join(parameters)}):"
        node = defined.get(name)
        if node is None:
            yield Finding(1, f"the function {name} is missing", f"define `{wanted}` at the top level")
            continue
        if isinstance(node, ast.AsyncFunctionDef) or any(isinstance(n, ast.Yield | ast.YieldFrom) for n in _own(node)):
            yield Finding(node.lineno, f"{name} is not a plain function", f"write `{wanted}` with return")
        given, most = len(node.args.posonlyargs + node.args.args), len(parameters)
        needed = given - len(node.args.defaults)
        required_keyword = any(default is None for default in node.args.kw_defaults)
        if needed > most or (given < most and node.args.vararg is None) or required_keyword:
            yield Finding(node.lineno, f"{name} takes the wrong parameters", f"write `{wanted}`")
        if not any(isinstance(n, ast.Return) and n.value is not None for n in _own(node)):
            yield Finding(node.lineno, f"{name} returns nothing", "return a number, or a dict of named numbers")


def _own(function: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a function, without those of nested functions."""
    for child in ast.iter_child_nodes(function):
        yield child
        if not isinstance(child, _FUNCTIONS):
            yield from _own(child)


def _declared(tree: ast.Module, features: Mapping[str, str]) -> Iterator[Finding]:
    declared: set[str] = set()
    known = ", ".join(sorted(set(features.values()))) or "none on this task"
    for node in tree.body:
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "USES" for t in node.targets):
            try:
                names = ast.literal_eval(node.value)
                declared = set(names) if isinstance(names, list | tuple | set) else {names, ""}
            except (ValueError, TypeError):
                declared = {""}
            for name in sorted(map(str, declared - set(features.values()))):
                message = f"USES names '{name}', which is not a feature" if name else "USES is not a list of strings"
                yield Finding(node.lineno, message, f"known features: {known}")
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in features and features[node.attr] not in declared:
            feature = features[node.attr]
            yield Finding(
                node.lineno,
                f".{node.attr} is costly and not declared",
                f'put USES = ["{feature}"] at the top',
            )


def _undefined(tree: ast.Module, actions: Sequence[str]) -> Iterator[Finding]:
    bound = {*action_constants(actions), "Actions", "__name__", *vars(builtins), *_bound_names(tree)}
    hints = {id(part) for node in ast.walk(tree) for hint in _hints(node) for part in ast.walk(hint)}
    usual = {"np": "import numpy as np", "math": "import math", "deque": "from collections import deque"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id not in bound and id(node) not in hints:
            remedy = usual.get(node.id, "define it, or use an action: " + ", ".join(action_constants(actions)))
            yield Finding(node.lineno, f"the name {node.id} is not defined", remedy)


def _bound_names(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            yield node.id
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.alias):
            yield (node.asname or node.name).partition(".")[0]
        elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name:
            yield node.name
        elif isinstance(node, ast.MatchMapping) and node.rest:
            yield node.rest


def _hints(node: ast.AST) -> Iterator[ast.AST]:
    # Hints are never evaluated.
    if isinstance(node, ast.arg | ast.AnnAssign) and node.annotation is not None:
        yield node.annotation
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.returns is not None:
        yield node.returns


class _Rules(ast.NodeVisitor):
    """Visits the program once, and distinguishes module-level state from names that are local to a function."""

    def __init__(self, tree: ast.Module, features: Mapping[str, str]) -> None:
        self.tree, self.features = tree, features
        self.findings: list[Finding] = []
        self.modules: dict[str, str] = {}
        self.locals: list[set[str]] = []
        self.shared = {name for node in tree.body for name in _shared_names(node)}
        # A variable called `self` that is assigned may be a state, not an object of the program.
        self.assigned = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
        self.iterators = {name for node in tree.body for name in _iterator_names(node)}

    def run(self) -> list[Finding]:
        self.visit(self.tree)
        return self.findings

    def add(self, node: ast.AST, message: str, remedy: str) -> None:
        self.findings.append(Finding(getattr(node, "lineno", 1), message, remedy))

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            if alias.name not in facade.MODULES:
                self.add(node, f"import {alias.name} is not allowed", facade.module_refusal(alias.name))
            self.modules[alias.asname or alias.name.partition(".")[0]] = (
                alias.name if alias.asname else alias.name.partition(".")[0]
            )

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        module = node.module or ""
        if node.level or module not in facade.MODULES:
            self.add(node, f"from {'.' * node.level}{module} import is not allowed", facade.module_refusal(module))
            return
        for alias in node.names:
            inner = f"{module}.{alias.name}"
            if inner in facade.MODULES:
                self.modules[alias.asname or alias.name] = inner
            elif alias.name != "*" and alias.name not in _names(module):
                self.add(
                    node,
                    f"{inner} is not available",
                    f"use plain Python or: {', '.join(_names(module)[:12])}",
                )

    def visit_Name(self, node: ast.Name) -> None:
        if node.id.startswith("__") and node.id not in ("__name__", "__debug__", "__slots__"):
            self.add(node, f"{node.id} is not available", "use plain names")
        elif node.id in facade.REFUSED_BUILTINS and isinstance(node.ctx, ast.Load) and not self._is_local(node.id):
            self.add(node, f"{node.id} is not available", facade.REFUSED_BUILTINS[node.id])

    def visit_Attribute(self, node: ast.Attribute) -> None:
        owner = node.value
        own = isinstance(owner, ast.Name) and owner.id in {"self", "cls", "other"} - self.assigned
        is_super = isinstance(owner, ast.Call) and isinstance(owner.func, ast.Name) and owner.func.id == "super"
        public_tuple = node.attr in ("_replace", "_asdict", "_fields")
        dunder = node.attr.startswith("__") or node.attr in _FRAMES
        if dunder and not (is_super and node.attr in ("__init__", "__post_init__")) and node.attr != "__name__":
            self.add(node, f".{node.attr} is not available", "use public attributes")
        elif node.attr in _INNER or (node.attr.startswith("_") and not (own or dunder or is_super or public_tuple)):
            self.add(node, f".{node.attr} is private", "use public attributes")
        else:
            self._check_member(node)
        if isinstance(node.ctx, ast.Store | ast.Del):
            self._written(node, owner)
        self.generic_visit(node)

    def _check_member(self, node: ast.Attribute) -> None:
        module = self._module(node.value)
        known = module in facade.MODULES and f"{module}.{node.attr}" not in facade.MODULES
        if module is not None and known and node.attr not in _names(module):
            usual = "use plain Python or another function of the module"
            remedy = facade.REFUSED_MODULES.get(node.attr, usual)
            self.add(node, f"{module}.{node.attr} is not available", remedy)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        if isinstance(node.ctx, ast.Store | ast.Del):
            self._written(node, node.value)
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        called = node.func
        if isinstance(called, ast.Attribute) and called.attr in _MUTATORS:
            self._written(node, called.value)
        if isinstance(called, ast.Attribute) and called.attr in _STATISTICS:
            self.add(node, f".{called.attr} depends on other episodes", _KEEP)
        if isinstance(called, ast.Attribute) and called.attr == "register" and self.locals:
            self.add(node, "a registration is shared by all environments", "register at the top level")
        if isinstance(called, ast.Name) and called.id == "next" and node.args:
            self._written(node, node.args[0])
        if isinstance(called, ast.Name) and called.id in ("getattr", "hasattr") and len(node.args) > 1:
            name = node.args[1]
            if not isinstance(name, ast.Constant) or not isinstance(name.value, str):
                self.add(node, f"{called.id} with a computed name", "name the field in the text")
            elif name.value.startswith("_"):
                self.add(node, f"{called.id} of a private name", "use public attributes")
        if isinstance(called, ast.Attribute) and called.attr in ("format", "format_map"):
            text = called.value.value if isinstance(called.value, ast.Constant) else ""
            if isinstance(text, str) and "._" in text:
                self.add(node, "a format string reads a private name", "use an f-string")
        self.generic_visit(node)

    def visit_Global(self, node: ast.Global) -> None:
        self.add(node, f"global {', '.join(node.names)} keeps its value after the episode", _KEEP)

    def visit_For(self, node: ast.For) -> None:
        if isinstance(node.iter, ast.Name) and node.iter.id in self.iterators and not self._is_local(node.iter.id):
            self.add(node, f"the iterator {node.iter.id} is shared by all environments", "create it where it is used")
        self.generic_visit(node)

    def visit_While(self, node: ast.While) -> None:
        forever = isinstance(node.test, ast.Constant) and bool(node.test.value)
        leaves = any(isinstance(inner, ast.Break | ast.Return | ast.Raise) for inner in ast.walk(node))
        if forever and not leaves:
            self.add(node, "this loop never ends", "give it a break or a condition")
        self.generic_visit(node)

    def visit_Await(self, node: ast.Await) -> None:
        self.add(node, "await is not available", "write plain functions")

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        parameters = node.args.posonlyargs + node.args.args + node.args.kwonlyargs
        defaults = [*node.args.defaults, *(d for d in node.args.kw_defaults if d is not None)]
        names = {p.arg for p in [*parameters, node.args.vararg, node.args.kwarg] if p is not None}
        hoarding = {p.arg for p, d in zip(reversed(parameters), reversed(defaults), strict=False) if _is_mutable(d)}
        for name in sorted(hoarding & {n for inner in ast.walk(node) for n in _mutated(inner)}):
            self.add(node, f"the default of {name} is shared by all calls and is changed", _KEEP)
        assigned = {n.id for n in _own(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
        if "memory" in names and "memory" in assigned:
            self.add(node, "memory is assigned a new object, which is lost", "change its entries: memory[key] = value")
        self.locals.append(names | assigned)
        self.generic_visit(node)
        self.locals.pop()

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self.locals.append({argument.arg for argument in node.args.posonlyargs + node.args.args})
        self.generic_visit(node)
        self.locals.pop()

    def _written(self, node: ast.AST, target: ast.AST) -> None:
        """Report a change inside `target` if it belongs to the module, a view, a class or a function."""
        while isinstance(target, ast.Attribute | ast.Subscript):
            target = target.value
        if not isinstance(target, ast.Name) or not self.locals:
            return
        name, changes_inside = target.id, isinstance(node, ast.Attribute)
        if name in ("state", "prev") and self._is_local(name):
            self.add(node, f"{name} is read-only", "keep your own values in memory")
        elif not self._is_local(name) and (name in self.shared or changes_inside):
            self.add(node, f"{name} is shared by all environments and is changed", _KEEP)

    def _is_local(self, name: str) -> bool:
        return any(name in scope for scope in self.locals)

    def _module(self, node: ast.AST) -> str | None:
        if isinstance(node, ast.Name):
            return None if self._is_local(node.id) else self.modules.get(node.id)
        if isinstance(node, ast.Attribute) and (outer := self._module(node.value)):
            return f"{outer}.{node.attr}"
        return None


def _mutated(node: ast.AST) -> Iterator[str]:
    target: ast.AST | None = None
    if isinstance(node, ast.Subscript) and not isinstance(node.ctx, ast.Load):
        target = node.value
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _MUTATORS:
        target = node.func.value
    if isinstance(target, ast.Name):
        yield target.id


def _shared_names(node: ast.stmt) -> Iterator[str]:
    """Module-level names bound to mutable objects: containers, iterators, instances."""
    if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        if _is_mutable(node.value) or isinstance(node.value, ast.Call | ast.GeneratorExp):
            yield from (target.id for target in targets if isinstance(target, ast.Name))


def _iterator_names(node: ast.stmt) -> Iterator[str]:
    """Module-level names bound to iterators."""
    value = node.value if isinstance(node, ast.Assign) else None
    called = value.func if isinstance(value, ast.Call) else None
    name = called.id if isinstance(called, ast.Name) else getattr(called, "attr", "")
    if isinstance(node, ast.Assign) and (isinstance(value, ast.GeneratorExp) or name in _ITERATORS):
        yield from (target.id for target in node.targets if isinstance(target, ast.Name))


def _is_mutable(node: ast.AST) -> bool:
    if isinstance(node, ast.Call):
        called = node.func
        return (called.id if isinstance(called, ast.Name) else getattr(called, "attr", "")) in _MUTABLE_CALLS
    return isinstance(node, ast.List | ast.Dict | ast.Set | ast.ListComp | ast.DictComp | ast.SetComp)


def _names(module: str) -> tuple[str, ...]:
    return facade.public_names(module) or ()

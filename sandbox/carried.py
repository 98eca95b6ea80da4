"""Detects state that a program keeps outside of `memory`, in any object that its functions can reach.

All reachable objects are described when the program is loaded, and again later. If the descriptions differ, rewards may
depend on earlier episodes. This runs in the host and is no protection against malice: a hostile program can hide state
in objects of the interpreter itself. The comparison of hosts covers that case.
"""

from __future__ import annotations

import abc
import functools
import gc
import sys
import types
from collections import deque
from collections.abc import Mapping
from enum import EnumMeta
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from .protocol import HostError
from .views import Item, Vector, View

_PLAIN = (bool, int, str, bytes, complex, type(None), type(...), type(NotImplemented))
_CALLABLES = (types.FunctionType, types.MethodType, types.BuiltinFunctionType, types.MethodWrapperType)
_CONTAINERS: tuple[Any, ...] = (list, tuple, set, frozenset, deque)
_CACHE = type(functools.lru_cache(lambda: 0))
_SKIPPED = frozenset(("__dict__", "__weakref__", "__warningregistry__", "__builtins__", "__annotations__"))
_registry_of: Any = vars(abc)["_get_dump"]
_FIRST, _MOST = 1024, 1 << 16
_DEEPEST = 200
_FIXED = (types.ModuleType, types.FrameType, WeakKeyDictionary)
_HEAP, _IMMUTABLE = 1 << 9, 1 << 8


class Carried:
    """The state of a loaded program outside of `memory`, to be compared with its state later.

    Args:
        scope: The program's globals.
        given: Those globals that the host provided.
        view: The class of the program's states.
    """

    def __init__(self, scope: Mapping[str, Any], given: Mapping[str, Any], view: type) -> None:
        self._scope, self._given, self._view = scope, given, view
        self._facades = _facades(given)
        offered = [value for facade in self._facades for value in vars(facade).values()]
        self._trusted = {id(value) for value in offered}
        self._writable = [
            v for v in offered if not isinstance(v, type) and v not in self._facades and _dictionary(v) is not None
        ]
        self._classes = _changeable(offered)
        self._registries = [v for v in offered if isinstance(v, type) and "_abc_impl" in vars(v)]
        self._caches: dict[int, dict[Any, Any]] = {}
        self._alive: list[Any] = []  # objects that the last description names by id(), kept so that no id is reused
        self._before = self._described()
        self._kept = self._alive
        self._scored, self._next = 0, _FIRST

    def scored(self, transitions: int) -> None:
        """Count the transitions of a request; compare at growing intervals, at most 65,536 transitions apart."""
        self._scored += transitions
        if self._scored >= self._next:
            self._next = self._scored + min(self._scored, _MOST)
            self.require_unchanged()

    def require_unchanged(self) -> None:
        """Raise HostError("nondeterministic") if any reachable object has changed since the program was loaded."""
        caches, alive = self._caches, self._alive
        now = self._described()
        changed = [name for name in (*self._before, *now) if self._before.get(name) != now.get(name)]
        changed += [
            "a functools.cache"
            for number, kept in caches.items()
            if any(self._caches.get(number, {}).get(key, value) != value for key, value in kept.items())
        ]
        if changed:
            raise HostError(
                "nondeterministic",
                f"{changed[0]} changed while the program was called, and keeps its value after the episode; "
                "keep all state in memory, which is empty at an episode's start",
            )
        del alive

    def _described(self) -> dict[str, Any]:
        """name -> a description of its value; objects that the host provided are included if they are writable."""
        self._caches, self._alive = {}, []
        seen: set[int] = set()
        found = {
            name: self._of(value, seen)
            for name, value in self._scope.items()
            if name not in _SKIPPED and not (name in self._given and self._given[name] is value)
        }
        for facade in self._facades:
            found[f"the module {facade.__name__}"] = (tuple(vars(facade)), tuple(map(id, vars(facade).values())))
        for value in self._writable:
            if vars(value):
                found[f"the attributes of {getattr(value, '__name__', value)}"] = _shallow(vars(value))
        for each in self._classes:
            found[f"the class {each.__name__}"] = (found.get(each.__name__), _shallow(vars(each)))
        found["a register of classes"] = [_registered(kind) for kind in self._registries]
        found["__builtins__"] = _shallow(self._scope["__builtins__"])
        kinds = (View, Item, Vector)
        for kind in (self._view, *kinds, *(each for base in kinds for each in _subclasses(base))):
            found[f"the class {kind.__name__} of views"] = (found.get(kind.__name__), _shallow(vars(kind)))
        return found

    def _of(self, value: Any, seen: set[int], depth: int = 0) -> Any:
        kind = type(value)
        if kind in _PLAIN:
            return (kind, value)
        if kind is float or isinstance(value, np.generic):
            return (kind, repr(value))
        if kind is range or kind is slice:
            return (kind, repr(value))
        number = id(value)
        if number in seen:
            return ("again", number)
        seen.add(number)
        self._alive.append(value)
        if depth > _DEEPEST:
            raise HostError(
                "nondeterministic", f"an object of the program is nested more than {_DEEPEST} levels deep; flatten it"
            )
        if number in self._trusted or kind in _FIXED:
            # functools.singledispatch caches its choices by class in such a dictionary.
            return ("fixed", number)

        def of(part: Any) -> Any:
            return self._of(part, seen, depth + 1)

        if isinstance(value, View):
            return (kind, tuple(value._row))
        if isinstance(value, type):
            return (number, self._of_class(value, of))
        return (kind, number, self._inside(value, kind, of), self._attributes(value, kind, of))

    def _inside(self, value: Any, kind: type, of: Any) -> Any:
        """The contents of an object of a built-in class, or of a class derived from one."""
        if isinstance(value, dict):
            return [(of(k), of(v)) for k, v in dict.items(value)]
        for plain in _CONTAINERS:
            if isinstance(value, plain):
                return [of(each) for each in plain.__iter__(value)]
        if isinstance(value, np.ndarray):
            whole = [of(each) for each in value.flat] if value.dtype.hasobject else value.tobytes()
            return (str(value.dtype), value.shape, value.flags.writeable, whole, of(value.base))
        if isinstance(value, np.flatiter):
            return (value.index, of(value.base))
        if isinstance(value, _CACHE):
            # A new entry of a cache is not state, but a changed entry is.
            self._alive.append(_kept_by(value))
            self._caches[id(value)] = {id(each): self._of(each, set()) for each in self._alive[-1]}
            return of(value.__wrapped__)
        if isinstance(value, types.FunctionType):
            self._alive.append(value.__code__)
            code = (id(value.__code__), value.__name__, value.__qualname__, value.__module__, value.__doc__)
            cells = [_contents(cell, of) for cell in value.__closure__ or ()]
            return (*code, of(value.__defaults__), of(value.__kwdefaults__), cells)
        if isinstance(value, types.GeneratorType):
            frame = value.gi_frame
            if frame is None:
                return None
            held = [each for each in gc.get_referents(value) if not isinstance(each, types.FrameType)]
            names = [(n, of(v)) for n, v in frame.f_locals.items()]
            return (frame.f_lasti, names, [of(each) for each in held], of(value.gi_yieldfrom))
        if isinstance(value, BaseException):
            seen_at = (id(value.__traceback__), of(value.__cause__), of(value.__context__))
            return (*seen_at, _reduced(value, kind, of))
        if isinstance(value, _CALLABLES):
            owner = getattr(value, "__self__", None)
            return None if isinstance(owner, types.ModuleType) else of(owner)
        if isinstance(value, property):
            return [of(part) for part in (value.fget, value.fset, value.fdel, value.__doc__)]
        if isinstance(value, staticmethod | classmethod):
            return of(value.__func__)
        if isinstance(value, types.MappingProxyType):
            return [(of(k), of(v)) for k, v in value.items()]
        return _reduced(value, kind, of)

    def _attributes(self, value: Any, kind: type, of: Any) -> Any:
        """The object's own attributes, in its dictionary or in slots."""
        found = [
            (n, of(v))
            for n, v in (_dictionary(value) or {}).items()
            if n != "__wrapped__" or not isinstance(value, _CACHE)
        ]
        for base in kind.__mro__:
            if base.__module__ == "builtins" or id(base) in self._trusted:
                continue
            for name, slot in vars(base).items():
                if isinstance(slot, types.MemberDescriptorType):
                    try:
                        found.append((name, of(slot.__get__(value))))
                    except AttributeError:
                        continue
        return found

    def _of_class(self, value: type, of: Any) -> Any:
        if not _is_own(value):
            return "fixed"
        names = dict(vars(value))
        if isinstance(value, EnumMeta):  # it makes members for combinations of flags when they are first met
            names = {n: v for n, v in names.items() if not (n.startswith("_") and n.endswith("_"))}
        held = [(n, of(v)) for n, v in names.items() if n not in _SKIPPED and n != "_abc_impl"]
        return (value.__name__, value.__qualname__, [id(b) for b in value.__bases__], held, _registered(value))


def _facades(given: Mapping[str, Any]) -> list[Any]:
    """The modules that a program may import, and the namespace of actions."""
    importer = given.get("__builtins__", {}).get("__import__")
    cells = [cell.cell_contents for cell in getattr(importer, "__closure__", None) or ()]
    modules = next((each for each in cells if isinstance(each, dict)), {})
    return [*modules.values(), *(v for v in given.values() if type(v).__name__ == "Facade")]


def _shallow(names: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return [(n, v if type(v) in _PLAIN else id(v)) for n, v in names.items() if n not in _SKIPPED]


def _dictionary(value: Any) -> Mapping[str, Any] | None:
    """The attributes of an object itself; None if it cannot have any."""
    try:
        found = object.__getattribute__(value, "__dict__")
    except AttributeError:
        return None
    return found if isinstance(found, dict) else None


def _contents(cell: types.CellType, of: Any) -> Any:
    try:
        return of(cell.cell_contents)
    except ValueError:
        return "empty"


def _kept_by(cache: Any) -> list[Any]:
    """The mutable values of a functools.cache. The garbage collector names the dictionary of an unlimited cache first;
    for a limited cache it names keys and values in turn, before a dictionary of links."""
    held = gc.get_referents(cache)[1:]
    kept = list(held[0].values()) if type(held[0]) is dict else _until(cache.__wrapped__, held)[:-1]
    return [v for v in kept if type(v) not in (*_PLAIN, float, type)]


def _until(wanted: Any, held: list[Any]) -> list[Any]:
    """The items before `wanted`, found by identity: == with an array among them would give another array."""
    return held[: next(number for number, each in enumerate(held) if each is wanted)]


def _reduced(value: Any, kind: type, of: Any) -> Any:
    """The parts from which `__reduce__` of an iterator or another C object could rebuild it."""
    _dictionary(value)  # creates the dictionary now, so that it is among the parts every time
    base = next((b for b in kind.__mro__ if b.__module__ != "program" and "__reduce__" in vars(b)), object)
    if base is object:
        return [of(each) for each in gc.get_referents(value) if each is not kind]
    try:
        made = vars(base)["__reduce__"](value)
    except Exception:
        return None
    return _made(made, of) if isinstance(made, tuple) else None


def _made(parts: Any, of: Any) -> Any:
    """A description of containers that were created only for this, and whose id() is meaningless."""
    if type(parts) in (tuple, list):
        return [_made(part, of) for part in parts]
    return of(parts)


def _is_own(value: type) -> bool:
    """Whether a class belongs to the program, and is not found by its name in a module of Python or numpy."""
    module = sys.modules.get(value.__module__)
    return getattr(module, value.__name__, None) is not value or value.__module__ == "program"


def _registered(value: type) -> int:
    return len(_registry_of(value)[0]) if "_abc_impl" in vars(value) else 0


def _changeable(offered: list[Any]) -> list[type]:
    """Classes of the provided objects that are written in Python, so that their attributes can be set."""
    met: dict[int, type] = {}
    for each in (kind for value in offered for kind in (type(value), value) if isinstance(kind, type)):
        met.update((id(c), c) for c in (*type.mro(each), *type.mro(type(each))))
    return [c for c in met.values() if c.__flags__ & _HEAP and not c.__flags__ & _IMMUTABLE]


def _subclasses(kind: type) -> list[type]:
    return [each for below in type.__subclasses__(kind) for each in (below, *_subclasses(below))]

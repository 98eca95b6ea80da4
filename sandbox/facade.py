"""The names that reward code may use: builtins, modules and a part of numpy.

This is guidance; the kernel is the boundary. Any other name gives an error that tells a language model what to use
instead. The lists are plain data, so that the gate can read them without importing numpy.
"""

from __future__ import annotations

import builtins
import functools
import importlib
import sys
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any


def words(text: str) -> tuple[str, ...]:
    """Split a text into its words, for long lists of names."""
    return tuple(text.split())


NUMPY_NAMES = words(
    """
    abs absolute add all allclose amax amin any append arange arccos arcsin arctan arctan2 argmax argmin
    argsort argwhere around array array_equal asarray astype atleast_1d average bincount bool_ broadcast_to
    cbrt ceil clip column_stack concatenate copy copysign cos cosh count_nonzero cross cumprod cumsum deg2rad
    degrees diff digitize divide dot e empty equal exp expm1 eye fabs finfo flatnonzero flip float32 float64
    floating floor floor_divide fmax fmin fmod full full_like greater greater_equal heaviside hstack hypot
    identity iinfo inf int32 int64 int8 integer interp intersect1d isclose isfinite isin isinf isnan less
    less_equal linspace log log10 log1p log2 logaddexp logical_and logical_not logical_or logical_xor matmul
    max maximum mean median meshgrid min minimum mod multiply nan nan_to_num nanmax nanmean nanmin nansum
    ndarray ndim negative newaxis nonzero not_equal number ones ones_like outer percentile pi pad power prod
    ptp quantile rad2deg radians ravel reciprocal remainder repeat reshape rint roll rot90 round searchsorted
    setdiff1d shape sign sin sinh size sort split sqrt square squeeze stack std subtract sum take tan tanh
    tile trace transpose tril triu trunc uint8 union1d unique unravel_index var vdot vstack where zeros
    zeros_like
    """
)
LINALG_NAMES = ("norm", "det", "inv", "solve")

MODULES: Mapping[str, tuple[str, ...] | None] = {
    # None: every public name of the module.
    "__future__": None,
    "abc": ("ABC", "abstractmethod"),
    "bisect": None,
    "collections": None,
    "collections.abc": None,
    "copy": ("copy", "deepcopy"),
    "dataclasses": ("dataclass", "field", "asdict", "astuple", "replace", "fields"),
    "enum": ("Enum", "IntEnum", "Flag", "IntFlag", "StrEnum", "auto", "unique"),
    "functools": None,
    "heapq": None,
    "itertools": None,
    "math": None,
    "numpy": NUMPY_NAMES,
    "numpy.linalg": LINALG_NAMES,
    "numpy.typing": ("NDArray", "ArrayLike"),
    "operator": (
        "add",
        "and_",
        "eq",
        "ge",
        "gt",
        "itemgetter",
        "le",
        "lt",
        "mul",
        "ne",
        "neg",
        "or_",
        "sub",
        "xor",
    ),
    "statistics": ("fmean", "mean", "median", "pstdev", "stdev"),
    "typing": None,
}
_KEEPING = frozenset(words("overload get_overloads clear_overloads"))
"""Names of typing that store their arguments beyond an episode."""
REFUSED_MODULES: Mapping[str, str] = {
    "random": "rewards must be deterministic: derive what you need from state and memory",
    "secrets": "rewards must be deterministic: derive what you need from state and memory",
    "time": "rewards must not read a clock: count steps in memory",
    "datetime": "rewards must not read a clock: count steps in memory",
}
ALLOWED_BUILTINS = words(
    """
    abs all any bool callable chr classmethod complex dict divmod enumerate filter float format frozenset
    getattr hasattr hash int isinstance issubclass iter len list map max min next object ord pow property
    range repr reversed round set slice sorted staticmethod str sum super tuple type zip NotImplemented
    Ellipsis __build_class__
    """
)
REFUSED_BUILTINS: Mapping[str, str] = {
    "print": "return what you want to see as a component",
    "open": "rewards have no files",
    "input": "rewards have no input",
    "eval": "write the expression itself",
    "exec": "write the code itself",
    "compile": "write the code itself",
    "globals": "keep state in memory",
    "locals": "keep state in memory",
    "vars": "read fields by name",
    "dir": "read fields by name",
    "id": "addresses differ between runs: compare with == or is",
    "memoryview": "use lists or numpy arrays",
    "bytearray": "use lists or numpy arrays",
    "setattr": "write obj.name = value",
    "delattr": "write del obj.name",
    "breakpoint": "rewards have no debugger",
    "help": "rewards have no terminal",
    "exit": "return a number instead",
    "quit": "return a number instead",
}


class Facade:
    """A module or namespace reduced to named attributes; any other name raises an AttributeError with a remedy."""

    def __init__(self, name: str, attributes: Mapping[str, Any], remedy: str = "") -> None:
        self.__dict__.update(attributes)
        self.__dict__["__name__"] = name
        self.__dict__["_remedy"] = remedy or f"available: {', '.join(attributes)}"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise AttributeError(f"{self.__dict__['__name__']}.{name} is not available here; {self.__dict__['_remedy']}")

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{self.__dict__['__name__']}.{name} is read-only")

    def __repr__(self) -> str:
        return f"<{self.__dict__['__name__']}>"


def public_names(module: str) -> tuple[str, ...] | None:
    """Return the names of `module` that reward code may use; None if the module is not allowed."""
    if module not in MODULES:
        return None
    listed = MODULES[module]
    if listed is not None:
        return listed
    real = importlib.import_module(module)
    return tuple(getattr(real, "__all__", None) or (n for n in vars(real) if not n.startswith("_")))


def module_refusal(module: str) -> str:
    """Return one sentence with the reason why `module` cannot be imported, or with the modules that can."""
    reason = REFUSED_MODULES.get(module.partition(".")[0])
    return reason or f"rewards may import: {', '.join(m for m in MODULES if not m.startswith('_'))}"


def load_facades() -> dict[str, Facade]:
    """Import every allowed module and return its facade. Must be called before the process is locked."""
    facades: dict[str, Facade] = {}
    for module in sorted(MODULES):
        real = importlib.import_module(module)
        names = public_names(module) or ()
        given = {n: getattr(real, n) for n in names if hasattr(real, n) and n not in _KEEPING}
        facades[module] = Facade(module, given, _remedy(module))
    facades["numpy"].__dict__["finfo"] = _own_finfo
    facades["functools"].__dict__.update(lru_cache=_quiet_lru_cache, cache=_quiet_lru_cache(maxsize=None))
    for module, facade in facades.items():
        package, _, leaf = module.rpartition(".")
        if package:
            facades[package].__dict__[leaf] = facade
    return facades


def _own_finfo(dtype: Any) -> Any:
    """A new numpy.finfo each time: numpy caches one object per type, on which a program could set attributes."""
    finfo = importlib.import_module("numpy").finfo
    made = object.__new__(finfo)
    made.__dict__.update(vars(finfo(dtype)))
    return made


def _quiet_lru_cache(maxsize: Any = 128, typed: bool = False) -> Any:
    """functools.lru_cache without its statistics, which count the calls of all episodes."""
    if callable(maxsize):
        return _quiet_lru_cache()(maxsize)

    def decorate(function: Any) -> Any:
        kept = functools.lru_cache(maxsize, typed)(function)

        @functools.wraps(function)
        def cached(*arguments: Any, **named: Any) -> Any:
            return kept(*arguments, **named)

        return cached

    return decorate


def load_modules() -> dict[str, ModuleType]:
    """Return the modules that an exported reward file may import, unrestricted. Loads numpy's lazy parts as well."""
    for lazy in ("numpy.fft", "numpy.ma", "numpy.polynomial", "numpy.random"):
        importlib.import_module(lazy)
    return {module: importlib.import_module(module) for module in (*MODULES, "json", "numpy.typing", "re")}


def reward_builtins(facades: Mapping[str, Any]) -> dict[str, Any]:
    """Return the `__builtins__` of reward code: allowed names, stubs that explain refused ones, a restricted import."""
    allowed = {name: getattr(builtins, name) for name in ALLOWED_BUILTINS}
    errors = {n: v for n, v in vars(builtins).items() if isinstance(v, type) and issubclass(v, BaseException)}
    stubs = {name: _refusing(name, remedy) for name, remedy in REFUSED_BUILTINS.items()}
    return {**stubs, **errors, **allowed, "__import__": _importer(facades)}


def module_builtins(modules: Mapping[str, ModuleType]) -> dict[str, Any]:
    """Return the `__builtins__` of an exported reward file: all except files, input and code made from text."""
    kept = {n: v for n, v in vars(builtins).items() if n not in ("open", "input", "eval", "exec", "breakpoint", "help")}
    return {**kept, "print": lambda *_, **__: None, "__import__": _importer(modules)}


def _importer(modules: Mapping[str, Any]) -> Any:
    def controlled_import(
        name: str,
        globals_: object = None,
        locals_: object = None,
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> Any:
        # C code such as numpy's array methods imports through the caller's builtins; it passes a list.
        if isinstance(fromlist, list) and name in sys.modules:
            return sys.modules[name]
        if level or name not in modules:
            raise ImportError(f"import {'.' * level}{name} is not available here; {module_refusal(name)}")
        found = modules[name] if fromlist else modules[name.partition(".")[0]]
        for wanted in fromlist or ():
            if wanted != "*" and not hasattr(found, wanted):
                raise ImportError(f"{name}.{wanted} is not available here; {_remedy(name)}")
        return found

    return controlled_import


def _refusing(name: str, remedy: str) -> Any:
    def refused(*_: object, **__: object) -> None:
        raise NameError(f"{name} is not available in reward code; {remedy}")

    refused.__name__ = name
    return refused


def _remedy(module: str) -> str:
    if module == "numpy":
        return "use plain Python or np." + ", np.".join(
            (
                "abs",
                "sqrt",
                "exp",
                "log",
                "clip",
                "minimum",
                "maximum",
                "array",
                "sum",
                "mean",
                "where",
                "hypot",
            )
        )
    return f"use plain Python or: {', '.join((public_names(module) or ())[:20])}"

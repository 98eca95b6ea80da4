"""Reads the named state of a real environment, step by step: out of observations, infos and attributes.

The text of this file is copied into exported rewards, so that these read the state with the same code. It depends on
numpy and the standard library only.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

_STEP_OF_PATH = re.compile(r"\.([A-Za-z_]\w*|\d+)|\[(-?\d+)\]|\[(-?\d*):(-?\d*)\]|\[\"([^\"]*)\"\]|\['([^']*)'\]")
_PLAIN = (float, int, bool)
ROOTS = ("observation", "info", "env")


class NoValue(Exception):
    """A source leads nowhere in what the environment returned."""


def split_path(source: str) -> tuple[str, list[Any]]:
    """The root of a source and the keys, indices and slices that follow: `info.pos[0:2]` -> ("info", ["pos", 0:2]).

    Raises ValueError for any other text: sources have names and indices, no calls.
    """
    root = re.match(r"[A-Za-z_]\w*", source)
    if root is None or root[0] not in ROOTS:
        raise ValueError(f"{source!r} must begin with {', '.join(ROOTS[:-1])} or {ROOTS[-1]}")
    steps: list[Any] = []
    at = root.end()
    while at < len(source):
        found = _STEP_OF_PATH.match(source, at)
        if found is None:
            raise ValueError(f"{source!r} is not understood from {source[at:]!r} on: use .name, [index], [from:to]")
        name, index, first, last, *quoted = found.groups()
        if name is not None:
            steps.append(int(name) if name.isdigit() else name)
        elif index is not None:
            steps.append(int(index))
        elif first is not None:
            steps.append(slice(int(first) if first else None, int(last) if last else None))
        else:
            steps.append(quoted[0] if quoted[0] is not None else quoted[1])
        at = found.end()
    return root[0], steps


def follow(value: Any, steps: Sequence[Any], source: str) -> Any:
    """The value at the end of `steps` from `value`: keys of mappings, indices and slices of sequences, attributes.

    Raises NoValue if there is nothing.
    """
    for step in steps:
        try:
            if isinstance(value, Mapping) or not isinstance(step, str):
                value = value[step]
            else:
                value = getattr(value, step)
        except (KeyError, IndexError, TypeError, AttributeError):
            raise NoValue(source) from None
    return value


def number(value: Any) -> Any:
    """Convert a value for a condition: one number becomes a Python number, a text stays as it is."""
    if type(value) in _PLAIN:
        return value
    if isinstance(value, str):
        return value
    found = np.asarray(value)
    if found.dtype.kind not in "biuf" or found.size != 1:
        raise NoValue(f"a value that is one number, in place of a {type(value).__name__}")
    return found.item()


def known(info: Any, steps: Sequence[Any]) -> Any:
    """An entry of `info` as a number; 0 while it is not there, since infos come and go."""
    if len(steps) == 1 and type(info) is dict:
        found = info.get(steps[0])
    else:
        try:
            found = follow(info, steps, "info")
        except NoValue:
            return 0
    return 0 if found is None else number(found)


def norm(vector: Sequence[float]) -> float:
    """Return the Euclidean length of a vector."""
    return math.hypot(*vector)


FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "abs": abs, "min": min, "max": max, "sqrt": math.sqrt, "norm": norm, "distance": math.dist, "known": known,
}  # fmt: skip
sqrt, distance = math.sqrt, math.dist


class Condition:
    """A success condition as functions of (values by name, counts of `held`).

    held: for each `held(k, condition)`, k and the condition; what stands inside another one comes first. names: the
    variables that it reads; None for all.
    """

    def __init__(
        self,
        test: Callable[..., Any],
        held: Sequence[tuple[int, Callable[..., Any]]] = (),
        names: Sequence[str] | None = None,
    ) -> None:
        self._test, self._held, self.names = test, held, names

    def start(self) -> list[int]:
        """An episode begins: for how many steps each held condition has been true."""
        return [0] * len(self._held)

    def holds(self, values: Mapping[str, Any], held: list[int]) -> bool:
        """Whether the condition is true after a step; counts it in `held`. Call it once a step."""
        for index, (_, test) in enumerate(self._held):
            held[index] = held[index] + 1 if test(values, held) else 0
        return bool(self._test(values, held))


class FunctionCondition:
    """A success test that is a function of any of env, observation, info, state, reward, terminated, truncated,
    episode_return and length, given by name."""

    def __init__(self, function: Callable[..., Any]) -> None:
        import inspect  # here, because exported rewards keep the imports within functions only
        from types import SimpleNamespace

        self._function, self._namespace = function, SimpleNamespace
        parameters = inspect.signature(function).parameters.values()
        self._all = any(p.kind is p.VAR_KEYWORD for p in parameters)
        self._asked = [p.name for p in parameters if p.kind is not p.VAR_KEYWORD]
        self._state = self._all or "state" in self._asked
        self.names = None if self._state else tuple(self._asked)  # which variables it may read

    def start(self) -> list[int]:
        """Return what is counted over an episode: nothing."""
        return []

    def holds(self, values: Mapping[str, Any], held: list[int]) -> bool:
        """The function's answer after a step."""
        del held
        given = {**values, "env": getattr(values["env"], "unwrapped", values["env"])}
        if self._state:
            given["state"] = self._namespace(**values)
        return bool(self._function(**(given if self._all else {name: given[name] for name in self._asked})))


class Flattening:
    """Writes an observation as one row of numbers: its leaves in their order. leaves: (path, numbers) of each."""

    def __init__(self, leaves: Sequence[tuple[Sequence[Any], int]]) -> None:
        self._leaves = [(tuple(path), size) for path, size in leaves]
        self.size = sum(size for _, size in self._leaves)

    def write(self, observation: Any, out: Any) -> None:
        """Fill out [size]. Raises NoValue if a leaf is missing, holds no numbers, or another number of them."""
        at = 0
        for path, size in self._leaves:
            leaf = observation
            try:
                for key in path:
                    leaf = leaf[key]
            except (KeyError, IndexError, TypeError):
                leaf = follow(observation, path, "the observation")
            if size == 1 and type(leaf) is int:
                out[at] = leaf
            else:
                out[at : at + size] = self._numbers(leaf, path, size)
            at += size

    def _numbers(self, leaf: Any, path: Sequence[Any], size: int) -> Any:
        numbers = np.asarray(leaf)
        if numbers.dtype.kind not in "biuf" or numbers.size != size:
            where = "observation" + "".join(f".{key}" for key in path)
            kind = f"shape {numbers.shape}" if numbers.dtype.kind in "biuf" else f"type {type(leaf).__name__}"
            raise NoValue(f"{where} of {kind} instead of {size} numbers")
        return numbers if numbers.ndim == 1 else numbers.reshape(-1)


class Variable:
    """One variable of the state: its columns in a row, and where its numbers come from.

    plain: {"name", "kind", "column"} as in the schema, with "length" for a vector and "values" for a choice. source: a
    path; "" where the user's own function returns it by name. flat: for an observation, the index of its first number
    among the flattened ones.
    """

    def __init__(self, plain: Mapping[str, Any], source: str, flat: int | None = None) -> None:
        self.name, self.source, self.flat = plain["name"], source, flat
        self.vector, self.of = plain["kind"] == "vector", plain.get("of", plain["kind"])
        self.first, self.length = plain["column"], plain["length"] if self.vector else 1
        self.values = list(plain["values"]) if plain["kind"] == "choice" else None
        self.root, self.steps = split_path(source) if source else ("", [])

    def write(self, value: Any, row: Any) -> None:
        """Put `value` into its columns of a row. Raises NoValue if it holds no numbers, or another number of them."""
        if self.values is not None:
            row[self.first] = self.values.index(value) if value in self.values else -1
            return
        if not self.vector and type(value) in (float, int, bool):
            row[self.first] = value
            return
        numbers = np.asarray(value)
        if numbers.dtype.kind not in "biuf":
            raise NoValue(f"{self.name} is {type(value).__name__}, which holds no numbers")
        if numbers.size != self.length:
            raise NoValue(f"{self.name} has {numbers.size} numbers instead of {self.length}")
        row[self.first : self.first + self.length] = numbers.reshape(-1)

    def fill(self, roots: Mapping[str, Any], given: Mapping[str, Any], row: Any) -> None:
        """Put the variable's value into a row.

        roots: what the paths of sources begin at. given: what the user's own function returned. Raises NoValue.
        """
        if not self.source:
            if self.name not in given:
                raise NoValue(f"state() returns no {self.name!r}")
            self.write(given[self.name], row)
            return
        try:
            self.write(follow(roots[self.root], self.steps, self.source), row)
        except NoValue as missing:
            # Infos come and go: one that is missing counts as 0.
            if self.root != "info" or str(missing) != self.source:
                raise
            row[self.first : self.first + self.length] = 0.0

    def read(self, row: Any) -> Any:
        """The value for a success condition: a number, a list of numbers, a text or None."""
        if self.vector:
            return row[self.first : self.first + self.length].tolist()
        value = float(row[self.first])
        return value if self.values is None else self.values[int(value)] if value >= 0 else None


class StateReading:
    """The state rows of one environment, and whether its episode has succeeded.

    A row holds the variables, then the step count, whether the success test holds on this step, and whether the episode
    has ended without success.
    """

    def __init__(
        self,
        variables: Sequence[Variable],
        condition: Any,
        max_steps: int,
        function: Callable[..., Mapping[str, Any]] | None = None,
        flat_size: int = -1,
    ) -> None:
        """function: the user's own state(env, observation, info), for variables without a source. flat_size: how many
        numbers an observation has, if known: a row that begins with all of them is filled at once."""
        self._condition, self._max_steps = condition, max_steps
        self._function = function
        self._seen = [v for v in variables if v.flat is not None]
        self._others = [v for v in variables if v.flat is None]
        columns = [v.first + k for v in self._seen for k in range(v.length)]
        self._columns: Any = np.array(columns, dtype=np.int64)
        self._flat = np.array([(v.flat or 0) + k for v in self._seen for k in range(v.length)], dtype=np.int64)
        if columns == list(range(len(columns))):
            self._columns = slice(0, len(columns))  # a view is quicker than a list of columns
        names = condition.names
        self._needed = [v for v in variables if names is None or v.name in names]
        self._whole = len(columns) == flat_size and (self._flat == np.arange(flat_size)).all()
        self._start()

    def _start(self) -> None:
        self.steps, self.episode_return, self.success = 0, 0.0, False
        self._held = self._condition.start()

    def first(self, env: Any, observation: Any, info: Any, flat: Any, row: Any) -> None:
        """Fill row [width] with an episode's start; flat: the observation's numbers."""
        self._start()
        self._fill(env, observation, info, flat, row)
        row[-3:] = 0.0

    def next(self, env: Any, outcome: tuple[Any, float, bool, bool, Any], flat: Any, row: Any) -> bool:
        """Fill row with the state after a step whose `outcome` the environment returned.

        Returns whether the episode is truncated, by the environment or at the task's step limit.
        """
        observation, reward, terminated, truncated, info = outcome
        self.steps += 1
        self.episode_return += reward
        late = not terminated and (truncated or self.steps >= self._max_steps)
        self._fill(env, observation, info, flat, row)
        values: dict[str, Any] = {v.name: v.read(row) for v in self._needed}
        values.update(
            step=self.steps, length=self.steps, terminated=terminated, truncated=late, reward=reward,
            episode_return=self.episode_return, info=info, env=env, observation=observation,
        )  # fmt: skip
        solved = self._condition.holds(values, self._held)
        self.success = self.success or solved
        row[-3], row[-2], row[-1] = self.steps, solved, terminated and not self.success
        return late

    def _fill(self, env: Any, observation: Any, info: Any, flat: Any, row: Any) -> None:
        row[self._columns] = flat if self._whole else flat[self._flat]
        if not self._others:
            return
        bare = getattr(env, "unwrapped", env)
        given = {} if self._function is None else self._function(env=bare, observation=observation, info=info)
        roots = {"observation": observation, "info": info, "env": bare}
        for variable in self._others:
            variable.fill(roots, given, row)

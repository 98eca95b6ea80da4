"""Scores transitions of an environment with a caller's function: in this process, or its source in the sandbox."""

from __future__ import annotations

from collections.abc import Mapping
from types import FunctionType
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rewardsmith.programs.functions import FunctionSource, NotPortable, mentions
from rewardsmith.tasks.actions import ActionSpace
from rewardsmith.tasks.given.observing import rebuilding_code
from rewardsmith.tasks.guarded import raised
from rewardsmith.tasks.observations import Part, space_of
from sandbox.client import HostError, HostSetup, Isolation, RewardHost

_MOST_KEPT = 200_000  # scored transitions; the function has no memory, and enumerations meet them again and again

CALL = """

_scored = {name}


def reward(prev, action, state, memory):
    return _scored(_observed(prev), _acted(action), _observed(state), {{}})
"""
"""What turns a function of (observation, action, next observation, info) into a reward program."""


class FunctionFault(Exception):
    """The reward function raised, or returned what is no finite number; the message says which."""


class Scorer(Protocol):
    """A function of (observation, action, next observation, info).

    Attributes:
        fault: What was wrong with a call, in words; None while nothing was.
    """

    fault: str | None

    def __call__(self, observation: Any, action: Any, after: Any, info: Mapping[str, Any]) -> float:
        """Return the reward. Raises FunctionFault."""
        ...

    def close(self) -> None:
        """Release the process that it may hold."""
        ...


class ScoredHere:
    """Calls the function in this process."""

    def __init__(self, function: Any) -> None:
        self._function, self.fault = function, None

    def __call__(self, observation: Any, action: Any, after: Any, info: Mapping[str, Any]) -> float:
        """Return the reward. Raises FunctionFault."""
        try:
            paid = self._function(observation, action, after, info)
        except Exception as error:
            self.fault = f"the function {raised(error, 'the reward function')}"
            raise FunctionFault(self.fault) from error
        number = isinstance(paid, int | float | np.number) and not isinstance(paid, bool)
        if not number or not np.isfinite(paid):
            what = f"{float(paid)}" if number else f"a {type(paid).__name__}"
            self.fault = f"the function returned {what}; it must return one finite number"
            raise FunctionFault(self.fault)
        return float(paid)

    def close(self) -> None:
        """Do nothing: no process is held."""


class ScoredInSandbox:
    """Runs the function's source in a locked process, one transition at a time."""

    def __init__(self, source: FunctionSource, env: Any, actions: ActionSpace, isolation: Isolation) -> None:
        """Start the process.

        Args:
            source: The function.
            env: An environment, whose observation space the function is called with.
            actions: Its actions.
            isolation: Least sandbox level.

        Raises:
            NotPortable: The function cannot be given the observation.
            SandboxWeak: The sandbox does not reach the required level.
        """
        space, self._refused = space_of(env.observation_space)
        self._parts, self._actions, self.fault = space.parts, actions, None
        fields = [_field(part) for part in space.parts]
        width = max(1, space.size)
        schema = {"name": "Observation", "dtype": "float64", "width": width, "fields": fields}
        numbers = [f"s.{_name(part)}[{k}]" for part in space.parts for k in range(part.size)]
        code = rebuilding_code(_readable(env.observation_space, space.parts), space.parts, numbers, actions)
        constants, entries = (actions.names, ()) if actions.discrete else ((), actions.names)
        setup = HostSetup(
            ("reward",), schema, {}, constants, actions.width, entries, actions.whole, allow=isolation
        )  # fmt: skip
        self.program = f"{source.text}\n\n{code}{CALL.format(name=source.name)}"
        self._host: RewardHost | None = None
        self._setup = setup
        self._rows = np.zeros((2, 1, 1, width))
        self._starts = np.ones((1, 1), bool)
        self._kept: dict[bytes, float] = {}

    def __call__(self, observation: Any, action: Any, after: Any, info: Mapping[str, Any]) -> float:
        """Return the reward. Raises FunctionFault."""
        del info  # a function that reads it runs elsewhere
        for row, seen in zip(self._rows, (observation, after), strict=True):
            for part in self._parts:
                row[0, 0, part.start : part.start + part.size] = np.ravel(part.find(seen))
        counted = np.asarray(action) - np.array(self._actions.first) if self._actions.whole else np.asarray(action)
        acts = counted.reshape(1, 1) if self._actions.discrete else counted.reshape(1, 1, -1)
        acts = acts.astype(np.int64 if self._actions.discrete else np.float64)
        key = self._rows.tobytes() + acts.tobytes()
        if key not in self._kept:
            if len(self._kept) >= _MOST_KEPT:
                self._kept.clear()
            self._kept[key] = self._score(acts)
        return self._kept[key]

    def _score(self, acts: NDArray[Any]) -> float:
        try:
            if self._host is None:
                self._host = RewardHost(self.program, self._setup, 1, 1)
            before, after = self._rows
            found = self._host.score(before, acts, after, self._starts)
        except HostError as error:
            self.fault = str(error)
            raise FunctionFault(self.fault) from error
        return float(found.values.sum())

    def close(self) -> None:
        """End the process that runs the function."""
        if self._host is not None:
            self._host.close()


def require_readable(function: FunctionType, env: Any) -> None:
    """Raise NotPortable if a function may read a part of the observation that is no number, such as a mission."""
    _, refused = space_of(env.observation_space)
    for told in refused:
        key = told.split(" (")[0].rpartition(".")[2]
        if mentions(function, key) or not told:
            raise NotPortable(f"it reads `{key}` of the observation, which is a text")


def _name(part: Part) -> str:
    # By place: the keys of an observation need not be names in Python, nor differ in small letters.
    return f"part_{part.start}"


def _field(part: Part) -> dict[str, Any]:
    return {
        "name": _name(part), "kind": "vector", "of": "float", "length": part.size, "entries": [],
        "column": part.start, "doc": "",
    }  # fmt: skip


def _readable(space: Any, parts: tuple[Part, ...]) -> Any:
    """The space without the leaves that are no numbers."""
    from gymnasium import spaces

    first = {part.path[0] for part in parts if part.path}
    if isinstance(space, spaces.Dict):
        return spaces.Dict({key: each for key, each in space.spaces.items() if key in first})
    return space

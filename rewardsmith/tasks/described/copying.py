"""Enumerates the states of a small deterministic environment that can be saved and restored, whatever its library.

A state is everything that the environment and its wrappers hold, apart from random generators and step counters. The
environment is put into one state after another, and every action is taken twice with other random numbers. Whatever
is computed is compared with episodes of an untouched environment.
"""

from __future__ import annotations

import io
import pickle
import random
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FunctionType, LambdaType, MethodType, ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rewardsmith.errors import TaskError, UsageError, words_of
from rewardsmith.tasks.described import environments
from rewardsmith.tasks.described.batch import FIRST_SEEDS
from rewardsmith.tasks.described.copied_graph import CopiedGraph
from rewardsmith.tasks.described.watchdog import WATCHDOG
from rewardsmith.tasks.progress import report

if TYPE_CHECKING:
    from rewardsmith.tasks.described.setup import Setup

STATE_LIMIT = 20_000
"""Most states of one start that are enumerated: about 10 s for a small grid."""

_LOOK_STEPS, _RETURNS = 400, 0.7  # random steps of a first look, and the largest share of states that may be new
_REHEARSED = 6  # random episodes in which the enumerated states must match an untouched environment
_REHEARSED_STEPS = 200
_SAME = 1e-9
_LEAST_COUNTED = 5  # steps after which a number that has grown by one each time is a step counter
_REPORTED = 500
_BEYOND_A_STEP = re.compile(r"\b(step|length|truncated|episode_return|held)\b")


class NotEnumerable(UsageError):
    """The states of an environment cannot be enumerated; the cause says why."""


class _Saver(pickle.Pickler):
    """Writes attributes; what is shared by all states is named by its number instead."""

    def __init__(self, out: io.BytesIO, shared: dict[int, tuple[int, Any]]) -> None:
        super().__init__(out, protocol=5)
        self._shared = shared

    def persistent_id(self, obj: Any) -> int | None:
        """Return the number of an object that is not part of a state; None for all others."""
        from gymnasium import Env, Space
        from gymnasium.envs.registration import EnvSpec

        same = (np.random.Generator, np.random.RandomState, random.Random, Space, EnvSpec, Env, ModuleType)
        if isinstance(obj, (*same, FunctionType, LambdaType, MethodType)):
            return self._shared.setdefault(id(obj), (len(self._shared), obj))[0]
        return None


class _Restorer(pickle.Unpickler):
    def __init__(self, data: bytes, shared: list[Any]) -> None:
        super().__init__(io.BytesIO(data))
        self._shared = shared

    def persistent_load(self, pid: Any) -> Any:
        """Return the shared object of a number."""
        return self._shared[pid]


class Copier:
    """Saves and restores the whole state of one environment."""

    def __init__(self, env: Any) -> None:
        """Start with the environment's present state. env: reset, and used by nothing else from now on."""
        self._layers = [env]
        while hasattr(self._layers[-1], "env"):
            self._layers.append(self._layers[-1].env)
        self._shared: dict[int, tuple[int, Any]] = {}
        self.counters: dict[tuple[int, str], int] = {}

    def attributes(self) -> dict[tuple[int, str], int]:
        """Return every attribute that is a whole number, by (layer, name)."""
        return {
            (k, name): value
            for k, layer in enumerate(self._layers)
            for name, value in vars(layer).items()
            if type(value) is int
        }

    def save(self) -> bytes:
        """Return the present state. Raises NotEnumerable if something in it cannot be copied."""
        held = []
        for k, layer in enumerate(self._layers):
            attributes = dict(vars(layer))
            for (at, name), first in self.counters.items():
                if at == k:
                    attributes[name] = first
            held.append(attributes)
        out = io.BytesIO()
        try:
            _Saver(out, self._shared).dump(held)
        except Exception as error:
            raise NotEnumerable(f"its state cannot be copied ({type(error).__name__}: {error})", "") from error
        return out.getvalue()

    def restore(self, saved: bytes, seed: int) -> None:
        """Put the environment into a saved state, with random numbers of a seed."""
        shared = [each for _, each in sorted(self._shared.values(), key=lambda item: item[0])]
        for layer, attributes in zip(self._layers, _Restorer(saved, shared).load(), strict=True):
            vars(layer).clear()
            vars(layer).update(attributes)
        for each in shared:
            if isinstance(each, np.random.Generator):
                each.bit_generator.state = type(each.bit_generator)(seed).state
        np.random.seed(seed)  # an environment may draw from it
        random.seed(seed)


@dataclass
class _Found:
    """What an enumeration has found so far; per state, and per node and action."""

    saved: list[bytes]
    rows: list[NDArray[np.float64]]
    number: dict[tuple[bytes, bytes], int]
    state: list[int]
    node: dict[int, int]
    successor: list[list[int]]
    over: list[list[bool]]
    won: list[list[bool]]
    pay: list[list[float]]


class Enumerator:
    """Enumerates the states of a described task's environment. `steps` counts the steps of environments."""

    def __init__(self, setup: Setup, most: int | None = None) -> None:
        """Prepare an enumeration. most: the most steps of environments, over all starts; None for no limit."""
        self._setup, self._most, self.steps = setup, most, 0
        self._env: Any = None
        self._copier: Any = None

    def begin(self) -> None:
        """Make the environment and play it. Raises NotEnumerable with the reason why the task cannot be enumerated."""
        _refuse(self._setup)
        self._env = self._setup.make()
        self._copier = self._looked_at()

    def _stepped(self, env: Any, action: int) -> Any:
        if self._most is not None and self.steps >= self._most:
            raise NotEnumerable(f"an enumeration takes more than the {self._most:,} steps that a check may play", "")
        self.steps += 1
        return self._called("step()", env.step, self._setup.form.actions.in_environment(action))

    def _called(self, where: str, call: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        """Call a function of the environment, which may hang or raise.

        A restored environment may fail where an untouched one works, so a failure only ends the enumeration. Play,
        which every check begins with, blames the environment.
        """
        WATCHDOG.begin(self._setup.form.task_id, where, self._setup.description.step_timeout)
        try:
            return call(*arguments, **named)
        except TaskError:
            raise
        except (Exception, SystemExit) as error:
            raise NotEnumerable(f"the environment fails when it is restored: {words_of(error, 200)}", "") from error
        finally:
            WATCHDOG.end()

    def graph(self, layout: int, limit: int = STATE_LIMIT) -> CopiedGraph:
        """Enumerate the states that a training layout can reach.

        Args:
            layout: The training layout.
            limit: The most states.

        Raises:
            NotEnumerable: There are more states, they do not determine what follows, or play contradicts them.
        """
        with environments.generators_kept(), _quiet():
            self._reset(layout)
            found = self._first()
            while len(found.successor) < len(found.state):
                if len(found.state) > limit:
                    raise NotEnumerable(f"one start leads to more than {limit:,} states", "")
                if len(found.successor) % _REPORTED == 0:
                    what = f"states of start {layout} enumerated"
                    report(what, len(found.successor), limit, bound=True, begins=not found.successor)
                self._expand(found)
            graph = _gathered(found, layout)
            self._rehearse(graph)
        return graph

    def start_key(self, layout: int) -> str:
        """Return a text that is the same for equal starts."""
        import hashlib

        with environments.generators_kept(), _quiet():
            self._reset(layout)
            return hashlib.sha256(self._copier.save()).hexdigest()

    def _reset(self, layout: int) -> None:
        seed = FIRST_SEEDS["train"] + layout
        self._observation, self._info = self._called("reset()", self._env.reset, seed=seed)

    def _looked_at(self) -> Copier:
        """Random play: finds step counters, and whether states come back."""
        with environments.generators_kept(), _quiet():
            self._reset(0)
            copier, rng = Copier(self._env), np.random.default_rng(0)
            copier.save()
            copier.counters = self._counters(copier, rng)
            seen, over = set[bytes](), True
            for step in range(1, _LOOK_STEPS + 1):
                if over:
                    self._reset(0)
                *_, terminated, truncated, _ = self._stepped(self._env, int(rng.integers(self._actions)))
                over = bool(terminated or truncated)
                seen.add(copier.save())
                if step in (_LOOK_STEPS // 4, _LOOK_STEPS) and len(seen) > _RETURNS * step:
                    raise NotEnumerable("hardly any state comes back in random play: there are too many", "")
            self._reset(0)
        return copier

    def _counters(self, copier: Copier, rng: np.random.Generator) -> dict[tuple[int, str], int]:
        """Attributes that grow by one with each step of two episodes, with their value at the start."""
        found: dict[tuple[int, str], int] | None = None
        for _ in range(2):
            self._reset(0)
            first = copier.attributes()
            growing = dict(first)
            for step in range(1, 4 * _LEAST_COUNTED):
                *_, terminated, truncated, _ = self._stepped(self._env, int(rng.integers(self._actions)))
                now = copier.attributes()
                growing = {k: v for k, v in growing.items() if now.get(k) == first[k] + step}
                if terminated or truncated:
                    break
            found = growing if found is None else {k: v for k, v in found.items() if k in growing}
        return found or {}

    @property
    def _actions(self) -> int:
        return len(self._setup.form.actions)

    def _first(self) -> _Found:
        row = np.zeros(self._setup.form.width)
        reading = self._setup.form.reading()
        reading.first(self._env, self._observation, self._info, _flat(self._setup, self._observation), row)
        saved = self._copier.save()
        return _Found([saved], [row], {(saved, row[:-3].tobytes()): 0}, [0], {0: 0}, [], [], [], [])

    def _expand(self, found: _Found) -> None:
        here = found.saved[found.state[len(found.successor)]]
        lines: tuple[list[Any], ...] = ([], [], [], [])
        for action in range(self._actions):
            first, again = (self._step(here, action, seed) for seed in (1, 2))
            if first != again:
                raise NotEnumerable("the same action in the same state has several outcomes", "")
            saved, row, paid, over, won = first
            if won and not over:
                raise NotEnumerable("an episode may go on after its success", "")
            key = saved, row
            number = found.number.setdefault(key, len(found.saved))
            if number == len(found.saved):
                found.saved.append(saved)
                found.rows.append(np.append(np.frombuffer(row), np.zeros(3)))
            if not over and number not in found.node:
                found.node[number] = len(found.state)
                found.state.append(number)
            for line, value in zip(lines, (number, over, won, paid), strict=True):
                line.append(value)
        for column, line in zip((found.successor, found.over, found.won, found.pay), lines, strict=True):
            column.append(line)

    def _step(self, here: bytes, action: int, seed: int) -> tuple[bytes, bytes, float, bool, bool]:
        """(state, row, reward, terminated, success) after an action."""
        self._copier.restore(here, seed)
        observation, reward, terminated, truncated, info = self._stepped(self._env, action)
        if truncated and not terminated:
            raise NotEnumerable("its own time limit depends on more than a count of steps", "")
        row, reading = np.zeros(self._setup.form.width), self._setup.form.reading()
        outcome = observation, float(reward), bool(terminated), False, info
        reading.next(self._env, outcome, _flat(self._setup, observation), row)
        return self._copier.save(), row[:-3].tobytes(), float(reward), bool(terminated), bool(row[-2])

    def _rehearse(self, graph: CopiedGraph) -> None:
        """Compare random episodes of an untouched environment with the graph. Raises NotEnumerable."""
        rng, env = np.random.default_rng(graph.layout), self._setup.make()
        reading, width = self._setup.form.reading(), self._setup.form.width
        try:
            for _ in range(_REHEARSED):
                observation, info = self._called("reset()", env.reset, seed=FIRST_SEEDS["train"] + graph.layout)
                row, node = np.zeros(width), 0
                reading.first(env, observation, info, _flat(self._setup, observation), row)
                for _ in range(min(_REHEARSED_STEPS, self._setup.form.max_steps)):
                    action = int(rng.integers(self._actions))
                    observation, reward, terminated, truncated, info = self._stepped(env, action)
                    outcome = observation, float(reward), bool(terminated), bool(truncated), info
                    reading.next(env, outcome, _flat(self._setup, observation), row)
                    there = int(graph.successor[node, action])
                    same = np.array_equal(row[:-3], graph.rows[there, :-3])
                    same &= bool(terminated) == graph.over[node, action]
                    if not same or abs(float(reward) - graph.pay[node, action]) > _SAME * (1 + abs(float(reward))):
                        raise NotEnumerable("episodes differ from what its states say", "")
                    if terminated or truncated:
                        break
                    node = int(graph.node[there])
        finally:
            environments.close(env)


@contextmanager
def _quiet() -> Iterator[None]:
    """Leave out warnings of Gymnasium's checker, which a task's inspection has shown."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _flat(setup: Setup, observation: Any) -> NDArray[np.float64]:
    out = np.zeros(setup.form.observation.size)
    _flattening(setup)(observation, out)
    return out


def _flattening(setup: Setup) -> Callable[[Any, Any], None]:
    from rewardsmith.tasks.described.reading import Flattening

    return Flattening([(part.path, part.size) for part in setup.form.observation.parts]).write


def _refuse(setup: Setup) -> None:
    """Raise NotEnumerable for tasks whose description alone rules an enumeration out."""
    condition, text = setup.condition, setup.description.condition or ""
    if not setup.form.actions.discrete:
        raise NotEnumerable("its actions are vectors", "")
    if setup.form.mask is not None:
        raise NotEnumerable("it allows only some actions", "")
    if setup.description.score_rule is not None:
        raise NotEnumerable("nothing counts as a success", "")
    if condition is not None and _BEYOND_A_STEP.search(text):
        raise NotEnumerable("its success test reads more than one step", "")


def _gathered(found: _Found, layout: int) -> CopiedGraph:
    node = np.full(len(found.rows), -1, np.int32)
    node[found.state] = np.arange(len(found.state))
    return CopiedGraph(
        layout,
        np.array(found.rows),
        np.array(found.state, np.int32),
        node,
        np.array(found.successor, np.int32),
        np.array(found.over, np.bool_),
        np.array(found.won, np.bool_),
        np.array(found.pay),
    )

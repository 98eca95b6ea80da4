"""Scores every action from given (state, memory) pairs, so that a program's memory can be enumerated.

Memories stay in the host, which numbers them by their contents; the client sees those numbers alone, and nothing
that a program remembered is ever sent. It also learns which transitions read the step count or an earlier event.
"""

from __future__ import annotations

import mmap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .arrays import pack_tables, place_arrays, read_arrays
from .memories import ONE_TOO_MANY, Memories
from .process import HostProcess
from .protocol import MAX_NAMES, SCORE, STATE_ONLY, TEXT_BYTES, HostError, Limits, Reply, function_signature

READ_STEP, READ_EARLIER_EVENT, READ_EVENT_FOR_POTENTIAL = 1, 2, 4

_KEPT_VIEWS = 16384
_EVENT_FIELDS = ("event", "event_object", "solved")
_PHI, _MEMORY, _FLAGS = MAX_NAMES, MAX_NAMES + 1, MAX_NAMES + 2
_ROWS = MAX_NAMES + 3


@dataclass(frozen=True)
class Expansion:
    """What a program returned for all actions A of S (state, memory) pairs.

    values: float64 [S, A, C] in the order of names; phi: float64 [S, A], the potential of each state after, 0
    without one; memory: int64 [S, A], the memory's number after the step, negative if it has none; reads: int64
    [S, A], a sum of READ_STEP, READ_EARLIER_EVENT and READ_EVENT_FOR_POTENTIAL.
    """

    names: tuple[str, ...]
    values: np.ndarray
    phi: np.ndarray
    memory: np.ndarray
    reads: np.ndarray


class ProductHost:
    """One program in one locked-down process, called from any memory that it has reached. A context manager.

    Arguments as of RewardHost; `capacity` is the most pairs per message, `memories` the most different contents that
    are numbered. Raises HostError, SandboxWeak,
    SandboxUnavailable.
    """

    def __init__(
        self,
        source: str,
        functions: Sequence[str],
        schema: Mapping[str, Any],
        tables: Mapping[str, Any],
        capacity: int,
        actions: Sequence[str],
        memories: int,
        allow: str = "kernel",
        limits: Limits | None = None,
    ) -> None:
        self.limits = limits or Limits()
        self.names: tuple[str, ...] = ()
        self._owners = {function_signature(f)[0] for f in functions} - {STATE_ONLY}
        self._capacity, self._actions, self._memories = capacity, len(actions), memories
        described, blobs = pack_tables(tables)
        placed, size = _layout(capacity, len(actions), schema)
        config = {
            "mode": "product",
            "functions": list(functions),
            "schema": schema,
            "tables": described,
            "envs": 1,
            "actions": list(actions),
            "capacity": capacity,
            "memories": memories,
        }
        room = TEXT_BYTES + 8 * _ROWS * capacity * len(actions)
        self._process = HostProcess(config, blobs, size, room, self.limits, allow, frozenset())
        self._process.greet()
        self._inputs = read_arrays(placed, self._process.input)
        self._output = np.frombuffer(self._process.output, np.float64, offset=TEXT_BYTES)
        try:
            self.uses: tuple[str, ...] = tuple(self._process.text(self._process.load(source)).split())
        except HostError:
            self.close()
            raise

    def __enter__(self) -> ProductHost:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the host at once; safe to call twice."""
        self._inputs, self._output = {}, np.zeros(0)
        self._process.close()

    def begin(self, row: np.ndarray) -> tuple[float, int]:
        """(potential of an episode's first state, number of the memory after it was asked); row [width]."""
        self._inputs["before"][0] = row
        found = self._ask(1, 0, (1, 1))
        return float(found[_PHI, 0, 0]), int(found[_MEMORY, 0, 0])

    def expand(self, before: np.ndarray, after: np.ndarray, memory: np.ndarray) -> Expansion:
        """Scores every action from each pair: before [S, width], after [S, A, width], memory int [S]."""
        parts = [
            self._expand_part(*(array[k : k + self._capacity] for array in (before, after, memory)))
            for k in range(0, len(before), self._capacity)
        ]
        found = np.concatenate(parts, axis=1)
        return Expansion(
            self.names,
            np.moveaxis(found[: len(self.names)], 0, -1),
            found[_PHI],
            found[_MEMORY].astype(np.int64),
            found[_FLAGS].astype(np.int64),
        )

    def _expand_part(self, before: np.ndarray, after: np.ndarray, memory: np.ndarray) -> np.ndarray:
        count = len(before)
        self._inputs["before"][:count] = before
        self._inputs["after"][: count * self._actions] = after.reshape(count * self._actions, -1)
        self._inputs["memory"][:count] = memory
        return self._ask(count, self._actions, (count, self._actions))

    def _ask(self, count: int, actions: int, shape: tuple[int, int]) -> np.ndarray:
        self._process.require_alive()
        size = shape[0] * shape[1]
        seconds = self.limits.call_seconds + self.limits.transition_us * 1e-6 * size
        try:
            self._accept_names(self._process.ask(SCORE, count, actions, seconds))
            return self._accepted(self._output[: _ROWS * size].reshape(_ROWS, *shape).copy())
        except HostError:
            self.close()
            raise

    def _accept_names(self, reply: Reply) -> None:
        names = reply.names
        if names[: len(self.names)] != self.names or len(names) > self.limits.max_components:
            raise HostError("protocol", "the host changed its component names")
        plain = [n for n in names if "." not in n and n not in self._owners]
        if {n.partition(".")[0] for n in names if "." in n} - self._owners or (plain and "reward" not in self._owners):
            raise HostError("protocol", "the host named components of functions that do not exist")
        self.names = names

    def _accepted(self, found: np.ndarray) -> np.ndarray:
        values, memory, flags = found[: len(self.names)], found[_MEMORY], found[_FLAGS]
        if not ((np.abs(values) <= self.limits.max_abs).all() and (np.abs(found[_PHI]) <= self.limits.max_abs).all()):
            raise HostError("protocol", "the host sent values that are not finite or too large")
        whole = (memory == np.floor(memory)) & (memory >= ONE_TOO_MANY) & (memory < self._memories)
        if not (whole & np.isin(flags, np.arange(8))).all():
            raise HostError("protocol", "the host sent a memory number or a flag that cannot be")
        return found


def _layout(capacity: int, actions: int, schema: Mapping[str, Any]) -> tuple[list[dict[str, Any]], int]:
    dtype, width = np.dtype(schema.get("dtype", "int32")), int(schema["width"])

    def room(shape: tuple[int, ...], kind: Any) -> np.ndarray:
        # Only the shape is read: no memory is touched.
        return np.broadcast_to(np.zeros((), kind), shape)

    return place_arrays({
        "before": room((capacity, width), dtype),
        "after": room((capacity * actions, width), dtype),
        "memory": room((capacity,), np.int64),
    })  # fmt: skip


# --- inside the host -------------------------------------------------------------------------------------


class Walker:
    """Calls a loaded program from numbered memories. The host's side; it protects nobody.

    blind: the program cannot tell which action was taken, so actions that end in the same state need one call.
    """

    def __init__(
        self, program: Any, config: Mapping[str, Any], incoming: mmap.mmap, outgoing: mmap.mmap, blind: bool
    ) -> None:
        placed, _ = _layout(config["capacity"], len(config["actions"]), config["schema"])
        self.inputs = read_arrays(placed, incoming)
        self.output = np.frombuffer(outgoing, np.float64, offset=TEXT_BYTES)
        self.program, self.memories, self.blind = program, Memories(config["memories"]), blind
        self.columns: dict[tuple[str, Any], list[float]] = {}  # of this request, by function and component
        self.reads, self.shaping, self.earlier = 0, False, None
        self.earlier_views, self.later_views = _Views(program), _Views(program)
        _watch(program.view, self)

    def handle(self, count: int, actions: int) -> Reply:
        """One request: all `actions` of `count` pairs, or the start of an episode where `actions` is 0."""
        size = count * max(actions, 1)
        out = self.output[: _ROWS * size].reshape(_ROWS, size)
        out[:] = 0.0
        try:
            if actions == 0:
                self._begin(out)
            else:
                self._expand(count, actions, out)
        except BaseException as problem:
            from .scoring import as_host_error

            raise as_host_error(problem, "exception") from None
        self.program._check_values(out[[*range(len(self.program.names)), _PHI, _PHI]], np.ones(size, bool))
        return Reply(names=tuple(self.program.names))

    def _begin(self, out: np.ndarray) -> None:
        memory: dict[Any, Any] = {}
        if self.program.potential is not None:
            state = self.program.view(self.inputs["before"][0].tolist(), self.program.tables)
            out[_PHI, 0] = self.program._potential(state, memory)
        out[_MEMORY, 0] = self.memories.number(memory)

    def _expand(self, count: int, actions: int, out: np.ndarray) -> None:
        before, after = self.inputs["before"], self.inputs["after"]
        numbers, size = self.inputs["memory"][:count].tolist(), count * actions
        phi, kept, flags = ([0.0] * size for _ in range(3))
        self.columns = {owner: [0.0] * size for owner in self.program.parts.values()}
        for i in range(count):
            prev = self.earlier_views.of(before[i])
            self.earlier = prev._row
            called: dict[int, int] = {}  # a state after -> the transition from this pair that was scored
            for at in range(i * actions, (i + 1) * actions):
                state = self.later_views.of(after[at])
                if self.blind and (same := called.setdefault(id(state), at)) != at:
                    for values in (phi, kept, flags, *self.columns.values()):
                        values[at] = values[same]
                    continue
                self.reads = 0
                memory = self.memories.copy(numbers[i])
                phi[at] = self._score(prev, at - i * actions, state, memory, at, size)
                kept[at] = self.memories.number(memory)
                flags[at] = self.reads
        out[_PHI], out[_MEMORY], out[_FLAGS] = phi, kept, flags
        for index, name in enumerate(self.program.names):
            out[index] = self.columns[self.program.parts[name]]

    def _score(self, prev: Any, action: int, state: Any, memory: dict[Any, Any], at: int, size: int) -> float:
        """Call the program on a transition; its components go into the columns, its potential is returned."""
        phi = 0.0
        for function, call in self.program.calls:
            if function == STATE_ONLY:
                phi = self._potential(state, memory)
                continue
            result = call(prev, action, state, memory)
            for part, value in (result if isinstance(result, dict) else {None: result}).items():
                column = self.columns.get((function, part))
                if column is None:
                    column = self.columns[function, part] = self.program._new_column(function, part, size)
                column[at] = value if type(value) is float else self.program._exact(function, part, value)
        return phi

    def _potential(self, state: Any, memory: dict[Any, Any]) -> float:
        self.shaping = True
        value = self.program._potential(state, memory)
        self.shaping = False
        return value

    def read(self, view: Any, name: str) -> None:
        """Note that the program read a field that states of one place may differ in."""
        if name == "step":
            self.reads |= READ_STEP
        elif self.shaping:
            self.reads |= READ_EVENT_FOR_POTENTIAL
        elif view._row is self.earlier:
            self.reads |= READ_EARLIER_EVENT


class _Views:
    """Views of the rows met of late: the same state is entered from many pairs, and a view costs more than a look.

    A full cache becomes the old one, and what is not met again until the next is full is forgotten.
    """

    def __init__(self, program: Any) -> None:
        self._program, self._made, self._old = program, {}, {}

    def of(self, row: np.ndarray) -> Any:
        key = row.tobytes()
        view = self._made.get(key)
        if view is None:
            if len(self._made) >= _KEPT_VIEWS:
                self._made, self._old = {}, self._made
            view = self._old.get(key)
            if view is None:
                view = self._program.view(row.tolist(), self._program.tables)
            self._made[key] = view
        return view


def _watch(view: type, walker: Walker) -> None:
    """Make a view class tell the walker when such a field is read, one by one or in a whole comparison."""
    for name in ("step", *_EVENT_FIELDS):
        if name in getattr(view, "_fields", ()):
            inner = getattr(view, name)
            setattr(view, name, property(_noting(walker, name, inner.fget), inner.fset, doc=inner.__doc__))
    compare, digest = view.__eq__, view.__hash__

    def whole(self: Any, result: Any) -> Any:
        walker.reads |= READ_STEP | READ_EARLIER_EVENT
        return result

    view.__eq__ = lambda self, other: whole(self, compare(self, other))  # type: ignore[assignment]
    view.__hash__ = lambda self: whole(self, digest(self))  # type: ignore[assignment]


def _noting(walker: Walker, name: str, get: Any) -> Any:
    def noting(self: Any) -> Any:
        walker.read(self, name)
        return get(self)

    return noting

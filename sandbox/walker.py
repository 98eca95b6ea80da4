"""The host's side of ProductHost: calls a loaded program from interned memories. It is no protection."""

from __future__ import annotations

import mmap
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from .arrays import read_arrays
from .memories import ONE_TOO_MANY, UNLISTED, Memories, freeze, thaw
from .noting import Noted, noting_rows
from .product import (
    FLAGS,
    MEMORY,
    PHI,
    PHI0,
    READ_EARLIER_EVENT,
    READ_EVENT_FOR_POTENTIAL,
    READ_STEP,
    ROWS,
    TAKEN,
    layout,
)
from .protocol import STATE_ONLY, TEXT_BYTES, Reply
from .scoring import as_host_error
from .views import READ_EVENT

_KEPT_VIEWS = 16384
_KEPT_RESULTS = 32768
_TRIED, _WORTH = 16384, 0.1
"""Number of transitions after which results are looked up only if at least this proportion was found."""


class Walker:
    """Calls a loaded program from interned memories.

    Args:
        program: The loaded scoring.Program.
        config: The host's configuration, see ProductHost.
        incoming: Shared memory of the inputs.
        outgoing: Shared memory of text and results.
        blind: Whether the program cannot depend on the action, so that actions with the same next state need one call.
    """

    def __init__(
        self, program: Any, config: Mapping[str, Any], incoming: mmap.mmap, outgoing: mmap.mmap, blind: bool
    ) -> None:
        placed, _ = layout(config["capacity"], len(config["actions"]), config["schema"])
        self.inputs = read_arrays(placed, incoming)
        self.output = np.frombuffer(outgoing, np.float64, offset=TEXT_BYTES)
        self.program, self.memories, self.blind = program, Memories(config["memories"]), blind
        self.most_memories = int(config["memories"])
        self.columns: dict[tuple[str, Any], list[float]] = {}  # of this request, by function and component
        self.lanes: dict[int, int | dict[Any, Any]] = {}  # memory, or its number, of each episode that is followed
        self.records = [f["name"] for f in config["schema"]["fields"] if f["kind"] == "record"]
        noted = Noted()
        made = noting_rows(noted, int(config["schema"]["width"]))
        self.earlier_views, self.later_views = _Views(program, made), _Views(program, made)
        self.known = _Results(noted)

    def handle(self, count: int, actions: int) -> Reply:
        """Answer one request.

        Args:
            count: Number of (state, memory) pairs; 0 checks for changed state (`settle`).
            actions: Number of actions of each pair; 0 starts an episode; TAKEN follows episodes.
        """
        if count == 0:
            return self.program.settle()
        size = count if actions == TAKEN else count * max(actions, 1)
        out = self.output[: ROWS * size].reshape(ROWS, size)
        out[:] = 0.0
        try:
            if actions == 0:
                self._begin(out)
            elif actions == TAKEN:
                self._follow(count, out)
            else:
                self._expand(count, actions, out)
        except BaseException as problem:
            raise as_host_error(problem, "exception") from None
        rows = [*range(len(self.program.names)), PHI0, PHI]
        self.program._check_values(out[rows][:, None], np.ones((1, size), bool))
        self.program.carried.scored(size)
        return Reply(names=tuple(self.program.names))

    def _begin(self, out: np.ndarray) -> None:
        if len(self.memories) > 1:  # numbers begin again with each enumeration, whatever was enumerated before
            self.memories = Memories(self.most_memories)
            self.known.clear()
        memory: dict[Any, Any] = {}
        if self.program.potential is not None:
            state = self.program.view(self.inputs["before"][0].tolist(), self.program.tables)
            out[PHI, 0] = self.program._potential(state, memory)
        out[MEMORY, 0] = self.memories.number(memory)

    def _expand(self, count: int, actions: int, out: np.ndarray) -> None:
        before, after = self.inputs["before"], self.inputs["after"]
        numbers, size = self.inputs["memory"][:count].tolist(), count * actions
        phi, kept, flags = ([0.0] * size for _ in range(3))
        self.columns = {owner: [0.0] * size for owner in self.program.parts.values()}
        self.known.begin(before[:count], after[:size])
        for i in range(count):
            for at in range(i * actions, (i + 1) * actions):
                action = at - i * actions
                key = self.known.key(i, at, numbers[i], 0 if self.blind else action)
                found = self.known.get(key)
                if found is None:
                    prev, state = self.earlier_views.of(before[i]), self.later_views.of(after[at])
                    memory = self.memories.copy(numbers[i])
                    phi[at], flags[at] = self._score((prev, action, state, memory), at, size)
                    kept[at] = self.memories.number(memory)
                    values = tuple([self.columns[self.program.parts[name]][at] for name in self.program.names])
                    self.known.put(key, (phi[at], kept[at], flags[at], values))
                    continue
                phi[at], kept[at], flags[at], values = found
                for name, value in zip(self.program.names, values, strict=False):
                    self.columns[self.program.parts[name]][at] = value
        out[PHI], out[MEMORY], out[FLAGS] = phi, kept, flags
        for index, name in enumerate(self.program.names):
            out[index] = self.columns[self.program.parts[name]]

    def _follow(self, count: int, out: np.ndarray) -> None:
        """Score `count` transitions of episodes, in order."""
        before, after = self.inputs["before"], self.inputs["after"]
        taken, starts, lanes = (self.inputs[name][:count].tolist() for name in ("action", "start", "memory"))
        phi, phi0, kept, flags = ([0.0] * count for _ in range(4))
        self.columns = {owner: [0.0] * count for owner in self.program.parts.values()}
        for at in range(count):
            if not starts[at] and lanes[at] not in self.lanes:
                kept[at], flags[at] = UNLISTED, 1.0
                continue
            prev, state = self.earlier_views.of(before[at]), self.later_views.of(after[at])
            if starts[at]:
                memory: dict[Any, Any] = {}
                if self.program.potential is not None:
                    phi0[at] = self.program._potential(prev, memory)
            else:
                memory = self._remembered(lanes[at])
            phi[at], _ = self._score((prev, taken[at], state, memory), at, count)
            kept[at] = self._remember(lanes[at], memory)
        out[PHI], out[PHI0], out[MEMORY], out[FLAGS] = phi, phi0, kept, flags
        for index, name in enumerate(self.program.names):
            out[index] = self.columns[self.program.parts[name]]

    def _remembered(self, lane: int) -> dict[Any, Any]:
        kept = self.lanes[lane]
        return self.memories.copy(kept) if isinstance(kept, int) else kept

    def _remember(self, lane: int, memory: dict[Any, Any]) -> int:
        """Store the memory of an episode: by its number, as a copy if no number is left, or not if not enumerable."""
        number = self.memories.number(memory)
        if number == ONE_TOO_MANY:
            self.lanes[lane] = thaw(freeze(memory))
        elif number == UNLISTED:
            self.lanes.pop(lane, None)
        else:
            self.lanes[lane] = number
        return number

    def _score(self, arguments: tuple[Any, int, Any, dict[Any, Any]], at: int, size: int) -> tuple[float, int]:
        """Call the program on (prev, action, state, memory); store its components; return potential and reads."""
        prev, action, state, memory = arguments
        phi, reads = 0.0, 0
        prev._seen = state._seen = 0
        for function, call in self.program.calls:
            if function == STATE_ONLY:
                seen = state._seen
                phi = self.program._potential(state, memory)
                reads |= READ_EVENT_FOR_POTENTIAL if state._seen & READ_EVENT else 0
                state._seen |= seen
                continue
            result = call(prev, action, state, memory)
            for part, value in (result if isinstance(result, dict) else {None: result}).items():
                column = self.columns.get((function, part))
                if column is None:
                    column = self.columns[function, part] = self.program._new_column(function, part, size)
                column[at] = value if type(value) is float else self.program._exact(function, part, value)
        if (prev._seen | state._seen) & READ_STEP:
            reads |= READ_STEP
        if prev._seen & READ_EVENT:
            reads |= READ_EARLIER_EVENT
        for name in self.records:  # a record has no fields of the history, but comparing it as a whole reads them
            for view in (prev, state):
                if name in view._made and view._made[name]._seen:
                    reads |= READ_STEP | READ_EARLIER_EVENT
        return phi, reads


class _Results:
    """Results of transitions by what the program can tell apart: its memory, its action, and the columns it reads.

    A result depends on a row only by columns that were read, so transitions whose read columns are equal have the same
    result. When the program reads a further column, all earlier results are dropped.

    Args:
        noted: The columns that have been read.
    """

    def __init__(self, noted: Noted) -> None:
        self._noted, self._columns = noted, list[int]()
        self._made: dict[Any, Any] = {}
        self._old: dict[Any, Any] = {}
        self._asked, self._found = 0, 0
        self._rows: tuple[np.ndarray, np.ndarray] = (np.zeros((0, 0)), np.zeros((0, 0)))
        self._bytes: tuple[bytes, bytes, int] = (b"", b"", 0)

    def clear(self) -> None:
        """Drop all results, as after a change of what the memories' numbers mean."""
        self._made, self._old = {}, {}

    def begin(self, before: np.ndarray, after: np.ndarray) -> None:
        """Begin a request with the rows before, of each pair, and the rows after, of each transition."""
        self._rows = (before, after)
        self._project()

    def _project(self) -> None:
        self._columns = self._noted.columns
        before, after = (np.ascontiguousarray(rows[:, self._columns]) for rows in self._rows)
        self._bytes = (before.tobytes(), after.tobytes(), before.itemsize * len(self._columns))

    def key(self, pair: int, transition: int, memory: int, action: int) -> Any:
        """Return the key of a transition; None if looking results up has not paid off."""
        if self._asked >= _TRIED and self._found < _WORTH * self._asked:
            return None
        if self._columns is not self._noted.columns:
            self.clear()
            self._project()
        before, after, width = self._bytes
        places = before[pair * width : (pair + 1) * width], after[transition * width : (transition + 1) * width]
        return (memory, action, *places)

    def get(self, key: Any) -> Any:
        """Return the result of a key, or None."""
        self._asked += 1
        found = self._made.get(key)
        if found is None and (found := self._old.get(key)) is not None:
            self.put(key, found)
        self._found += found is not None
        return found

    def put(self, key: Any, result: Any) -> None:
        """Store a result, unless the program read a further column to compute it."""
        if key is None or self._columns is not self._noted.columns:
            return
        if len(self._made) >= _KEPT_RESULTS:
            self._made, self._old = {}, self._made
        self._made[key] = result


class _Views:
    """A cache of views by row: many pairs lead to the same state, and making a view is slower than a lookup.

    When the cache is full it becomes the old one, and entries that are not used until the next one is full are dropped.
    """

    def __init__(self, program: Any, row: Callable[[list[Any]], list[Any]]) -> None:
        self._program, self._row, self._made, self._old = program, row, {}, {}

    def of(self, row: np.ndarray) -> Any:
        key = row.tobytes()
        view = self._made.get(key)
        if view is None:
            if len(self._made) >= _KEPT_VIEWS:
                self._made, self._old = {}, self._made
            view = self._old.get(key)
            if view is None:
                view = self._program.view(self._row(row.tolist()), self._program.tables)
            self._made[key] = view
        return view

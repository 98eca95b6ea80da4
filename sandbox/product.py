"""Scores every action from given (state, memory) pairs, so that a program's memory can be enumerated.

Memories stay in the host, which interns their contents as numbers. The client receives only these numbers, never the
contents, and for each transition whether the program read the step count or an earlier event.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .arrays import pack_tables, place_arrays, read_arrays
from .memories import ONE_TOO_MANY
from .process import HostProcess
from .protocol import MAX_NAMES, SCORE, STATE_ONLY, TEXT_BYTES, HostError, Reply, function_signature
from .setup import HostSetup

READ_STEP, READ_EARLIER_EVENT, READ_EVENT_FOR_POTENTIAL = 1, 2, 4

TAKEN = 1 << 32  # instead of a number of actions: each pair has one action, the one taken in an episode
PHI, MEMORY, FLAGS, PHI0 = MAX_NAMES, MAX_NAMES + 1, MAX_NAMES + 2, MAX_NAMES + 3
ROWS = MAX_NAMES + 4


@dataclass(frozen=True)
class Expansion:
    """A program's results for all actions A of S (state, memory) pairs.

    Attributes:
        names: Names of the C components.
        values: float64 [S, A, C], the components.
        phi: float64 [S, A], the potential of the state after; 0 if the program has none.
        memory: int64 [S, A], the number of the memory after the step; negative if it has none.
        reads: int64 [S, A], a sum of READ_STEP, READ_EARLIER_EVENT and READ_EVENT_FOR_POTENTIAL.
    """

    names: tuple[str, ...]
    values: np.ndarray
    phi: np.ndarray
    memory: np.ndarray
    reads: np.ndarray


@dataclass(frozen=True)
class Episodes:
    """A program's results for episodes whose memory was copied after each transition.

    Attributes:
        names: Names of the C components.
        values: float64 [T, N, C], the components; 0 where `scored` is false.
        phi: float64 [T, N], the potential of the state after; 0 where `scored` is false.
        phi0: float64 [T, N], the potential of the state before, if an episode starts there; 0 elsewhere.
        memory: int64 [T, N], the number of the memory after the step; negative if it has none.
        scored: bool [T, N]. Scoring of an episode stops when its memory contains values that cannot be enumerated.
    """

    names: tuple[str, ...]
    values: np.ndarray
    phi: np.ndarray
    phi0: np.ndarray
    memory: np.ndarray
    scored: np.ndarray


class ProductHost:
    """One program in one locked-down process, called from any memory that it has reached. A context manager.

    Args:
        source: Text of the program.
        setup: Setup of the host.
        capacity: Most (state, memory) pairs per message.
        memories: Most distinct contents of memory.

    Raises:
        HostError: The program failed.
        SandboxWeak: The machine does not reach the required sandbox level.
        SandboxUnavailable: The process cannot be started.
    """

    def __init__(self, source: str, setup: HostSetup, capacity: int, memories: int) -> None:
        self.limits = setup.limits
        self.names: tuple[str, ...] = ()
        self._owners = {function_signature(f)[0] for f in setup.functions} - {STATE_ONLY}
        self._capacity, self._actions, self._memories = capacity, len(setup.actions), memories
        described, blobs = pack_tables(setup.tables)
        placed, size = layout(capacity, len(setup.actions), setup.schema)
        config = {
            "mode": "product",
            "functions": list(setup.functions),
            "schema": setup.schema,
            "tables": described,
            "envs": 1,
            "actions": list(setup.actions),
            **{"action_width": 0, "entries": [], "whole": False},
            "capacity": capacity,
            "memories": memories,
        }
        room = TEXT_BYTES + 8 * ROWS * capacity * len(setup.actions)
        self._process = HostProcess(config, blobs, (size, room), self.limits, setup.allow, setup.without)
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
        """End the host at once; safe to call twice."""
        self._inputs, self._output = {}, np.zeros(0)
        self._process.close()

    def begin(self, row: np.ndarray) -> tuple[float, int]:
        """Start an episode at the state `row` [width]; return its potential and the number of the memory after that."""
        self._inputs["before"][0] = row
        found = self._ask(1, 0, (1, 1))
        return float(found[PHI, 0, 0]), int(found[MEMORY, 0, 0])

    def expand(self, before: np.ndarray, after: np.ndarray, memory: np.ndarray) -> Expansion:
        """Score every action from each pair. Raises HostError if the program fails.

        Args:
            before: [S, width], the states before.
            after: [S, A, width], the state after each action.
            memory: int64 [S], the number of the memory before the step.
        """
        parts = [
            self._expand_part(*(array[k : k + self._capacity] for array in (before, after, memory)))
            for k in range(0, len(before), self._capacity)
        ]
        found = np.concatenate(parts, axis=1)
        return Expansion(
            self.names,
            np.moveaxis(found[: len(self.names)], 0, -1),
            found[PHI],
            found[MEMORY].astype(np.int64),
            found[FLAGS].astype(np.int64),
        )

    def follow(
        self, before: np.ndarray, actions: np.ndarray, after: np.ndarray, starts: np.ndarray, inside: np.ndarray
    ) -> Episodes:
        """Score episodes as a trainer's host does, but with interned memories. Raises HostError if the program fails.

        Args:
            before: [T, N, width], the states before.
            actions: int64 [T, N].
            after: [T, N, width], the states after.
            starts: bool [T, N], whether an episode starts at this step.
            inside: bool [T, N], the transitions to score; those of an episode begin with its start.
        """
        found = np.zeros((ROWS, *starts.shape))
        scored = np.zeros(starts.shape, dtype=bool)
        places = np.argwhere(inside)  # of all environments at a step, then of all at the next
        for k in range(0, len(places), self._capacity):
            at = tuple(places[k : k + self._capacity].T)
            found[:, *at] = self._follow_part(before[at], actions[at], after[at], starts[at], at[1])
            scored[at] = found[FLAGS, *at] == 0
        values = np.moveaxis(found[: len(self.names)], 0, -1)
        return Episodes(self.names, values, found[PHI], found[PHI0], found[MEMORY].astype(np.int64), scored)

    def _follow_part(
        self, before: np.ndarray, actions: np.ndarray, after: np.ndarray, starts: np.ndarray, lanes: np.ndarray
    ) -> np.ndarray:
        count = len(before)
        for name, array in (("before", before), ("after", after), ("memory", lanes), ("action", actions)):
            self._inputs[name][:count] = array
        self._inputs["start"][:count] = starts
        return self._ask(count, TAKEN, (count, 1))[:, :, 0]

    def settle(self) -> None:
        """Raise HostError if the program has changed anything except its memories since it was loaded."""
        self._ask(0, 0, (0, 0))

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
            return self._accepted(self._output[: ROWS * size].reshape(ROWS, *shape).copy())
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
        values, memory, flags = found[: len(self.names)], found[MEMORY], found[FLAGS]
        if not ((np.abs(values) <= self.limits.max_abs).all() and (np.abs(found[PHI]) <= self.limits.max_abs).all()):
            raise HostError("protocol", "the host sent values that are not finite or too large")
        whole = (memory == np.floor(memory)) & (memory >= ONE_TOO_MANY) & (memory < self._memories)
        if not (whole & np.isin(flags, np.arange(8))).all():
            raise HostError("protocol", "the host sent an impossible memory number or flag")
        return found


def layout(capacity: int, actions: int, schema: Mapping[str, Any]) -> tuple[list[dict[str, Any]], int]:
    """Return the places of a request's inputs in shared memory, and their size in bytes."""
    dtype, width = np.dtype(schema.get("dtype", "int32")), int(schema["width"])

    def room(shape: tuple[int, ...], kind: Any) -> np.ndarray:
        # Only the shape is read: no memory is touched.
        return np.broadcast_to(np.zeros((), kind), shape)

    return place_arrays({
        "before": room((capacity, width), dtype),
        "after": room((capacity * actions, width), dtype),
        "memory": room((capacity,), np.int64),
        "action": room((capacity,), np.int64),
        "start": room((capacity,), np.uint8),
    })  # fmt: skip

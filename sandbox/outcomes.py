"""Collects every result that a program may have on a transition, whatever its memory holds.

Where memory takes too many values to list, the results of a transition are few: a cell was visited before, or it was
not. The host follows the possible values of each variable of memory from state to state, see explorer.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .arrays import pack_tables, place_arrays, read_arrays
from .process import HostProcess
from .protocol import MAX_NAMES, SCORE, TEXT_BYTES, HostError, function_signature
from .setup import HostSetup

STEADY, SCOUT = 1 << 32, 1 << 33  # instead of a number of transitions, and added to one
AGAIN, RESULTS, CHANGED, BLIND, READ = range(5)
HEAD = 5
VALUES = MAX_NAMES
PAIR, KIND, FLAGS = range(3)
COLUMNS = 3 + VALUES
UNFOLLOWED = "memory cannot be followed: "
MOST_RUNS = 1_500_000
"""Most calls of a program for one layout."""
_RESULTS_PER_TRANSITION, _CALLS_PER_TRANSITION = 16, 64


@dataclass(frozen=True)
class Outcomes:
    """The results of some transitions; K results, several for a transition that depends on memory.

    Attributes:
        names: Names of the C components.
        pair: int64 [K], the place of the transition in the request.
        kind: int64 [K], the number of what the result changes in memory, see `OutcomesHost.steady`.
        reads: int64 [K], as in `product.Expansion`.
        values: float64 [K, C], the components.
        changed: int64 [J], the states whose transitions are to be followed, for the first time or again.
        again: Whether everything so far is void: the walk is to begin anew.
    """

    names: tuple[str, ...]
    pair: np.ndarray
    kind: np.ndarray
    reads: np.ndarray
    values: np.ndarray
    changed: np.ndarray
    again: bool


class OutcomesHost:
    """One program in one locked-down process, called with all memories that a state may come with. A context manager.

    Args:
        source: Text of the program.
        setup: Setup of the host.
        capacity: Most transitions per message.
        runs: Most calls of the program between two starts.

    Attributes:
        uses: The costly features that the program declares.
        columns: The columns of a state's row that the program has read so far, in increasing order.
        blind: Whether the program cannot depend on the action.

    Raises:
        HostError: The program failed, or its memory cannot be followed (the message begins with UNFOLLOWED).
        SandboxWeak: The machine does not reach the required sandbox level.
        SandboxUnavailable: The process cannot be started.
    """

    def __init__(self, source: str, setup: HostSetup, capacity: int, runs: int = MOST_RUNS) -> None:
        self.limits = setup.limits
        self.capacity, self.columns, self.blind = capacity, np.zeros(0, np.int64), False
        self._width = int(setup.schema["width"])
        self._functions = {function_signature(f)[0] for f in setup.functions}
        described, blobs = pack_tables(setup.tables)
        placed, size = layout(capacity, setup.schema)
        config = {
            "mode": "outcomes",
            "functions": list(setup.functions),
            "schema": setup.schema,
            "tables": described,
            "envs": 1,
            "actions": list(setup.actions),
            **{"action_width": 0, "entries": [], "whole": False},
            "capacity": capacity,
            "runs": runs,
        }
        self._room = HEAD + capacity * (_RESULTS_PER_TRANSITION * COLUMNS + 1) + self._width
        self._process = HostProcess(
            config, blobs, (size, TEXT_BYTES + 8 * self._room), self.limits, setup.allow, setup.without
        )
        self._process.greet()
        self._inputs = read_arrays(placed, self._process.input)
        self._output = np.frombuffer(self._process.output, np.float64, offset=TEXT_BYTES)
        try:
            self.uses: tuple[str, ...] = tuple(self._process.text(self._process.load(source)).split())
        except HostError:
            self.close()
            raise

    def __enter__(self) -> OutcomesHost:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the host at once; safe to call twice."""
        self._inputs, self._output = {}, np.zeros(0)
        self._process.close()

    def scout(self, before: np.ndarray, action: np.ndarray, after: np.ndarray) -> None:
        """Call the program on K transitions with an empty memory, to see which columns it reads. Raises HostError.

        Args:
            before: [K, width], the states before.
            action: int64 [K].
            after: [K, width], the states after.
        """
        count = len(action)
        self._place(before=before, action=action, after=after)
        self._ask(count, SCOUT + count, count)

    def begin(self, row: np.ndarray, number: int) -> Outcomes:
        """Start an episode at the state `row` [width]; its first step is followed under a number of its own."""
        self._place(before=row[None], state=np.array([number]))
        return self._ask(1, 0, 0)

    def expand(
        self,
        transition: np.ndarray,
        state: np.ndarray,
        before: np.ndarray,
        action: np.ndarray,
        after: np.ndarray,
        successor: np.ndarray,
    ) -> Outcomes:
        """Return every result of K transitions from states that have been reached. Raises HostError.

        Args:
            transition: int64 [K], a number of each transition since the episode started; at most `capacity` of them.
            state: int64 [K], the number of the state before.
            before: [K, width], the states before.
            action: int64 [K].
            after: [K, width], the states after.
            successor: int64 [K], the number of the state after; -1 if the episode ends.
        """
        count = len(state)
        self._place(
            transition=transition, state=state, before=before, action=action, after=after, successor=successor
        )  # fmt: skip
        return self._ask(count, count, count)

    def steady(self) -> np.ndarray:
        """Return for each kind of result whether an episode can repeat it for ever, bool [kinds].

        It cannot if it certainly changes a variable that never returns to an earlier value.
        """
        self._call(0, STEADY, 1)
        count = int(self._output[RESULTS])
        if not 0 <= count <= self._room - HEAD:
            raise HostError("protocol", "the host sent an impossible number of results")
        return self._output[HEAD : HEAD + count] > 0

    def _place(self, **arrays: np.ndarray) -> None:
        for name, array in arrays.items():
            self._inputs[name][: len(array)] = array

    def _call(self, count: int, what: int, transitions: int) -> tuple[str, ...]:
        self._process.require_alive()
        seconds = self.limits.call_seconds + self.limits.transition_us * 1e-6 * transitions * _CALLS_PER_TRANSITION
        try:
            return self._process.ask(SCORE, count, what, seconds).names
        except HostError:
            self.close()
            raise

    def _ask(self, count: int, what: int, transitions: int) -> Outcomes:
        names = self._call(count, what, transitions)
        head = self._output[:HEAD].copy()
        try:
            if not ((head >= 0) & (head <= self._room) & (head == np.floor(head))).all():
                raise HostError("protocol", "the host sent an impossible number of results")
            results, changed, read = (int(head[k]) for k in (RESULTS, CHANGED, READ))
            end = HEAD + results * COLUMNS
            if end + changed + read > self._room:
                raise HostError("protocol", "the host sent an impossible number of results")
            rows = self._output[HEAD:end].reshape(results, COLUMNS).copy()
            states, columns = self._output[end : end + changed].copy(), self._output[end + changed :][:read].copy()
            whole = np.concatenate([rows[:, :3].ravel(), states, columns])
            if not ((whole >= 0) & (whole < 1 << 40) & (whole == np.floor(whole))).all():
                raise HostError("protocol", "the host sent an impossible number of a state or transition")
            if not ((rows[:, PAIR] < max(transitions, 1)).all() and (rows[:, FLAGS] < 8).all()):
                raise HostError("protocol", "the host sent an impossible transition or flag")
            if not ((np.diff(columns) > 0).all() and (columns < self._width).all()):
                raise HostError("protocol", "the host sent impossible columns")
            if not (np.abs(rows[:, 3:]) <= self.limits.max_abs).all():
                raise HostError("value", f"{UNFOLLOWED}a component may be infinite or too large")
            if what < SCOUT and not again_or_whole(head, rows, transitions):
                raise HostError("protocol", "the host left transitions out")
        except HostError:
            self.close()
            raise
        self.columns, self.blind = columns.astype(np.int64), head[BLIND] > 0
        integers = rows[:, :3].astype(np.int64)
        return Outcomes(
            names, integers[:, PAIR], integers[:, KIND], integers[:, FLAGS], rows[:, 3 : 3 + len(names)],
            states.astype(np.int64), head[AGAIN] > 0,
        )  # fmt: skip


def again_or_whole(head: np.ndarray, rows: np.ndarray, transitions: int) -> bool:
    """Return whether an answer says to begin anew, or has a result of every transition."""
    return head[AGAIN] > 0 or len(np.unique(rows[:, PAIR])) == transitions


def layout(capacity: int, schema: Mapping[str, Any]) -> tuple[list[dict[str, Any]], int]:
    """Return the places of a request's inputs in shared memory, and their size in bytes."""
    dtype, width = np.dtype(schema.get("dtype", "int32")), int(schema["width"])

    def room(shape: tuple[int, ...], kind: Any) -> np.ndarray:
        # Only the shape is read: no memory is touched.
        return np.broadcast_to(np.zeros((), kind), shape)

    numbers = ("transition", "state", "action", "successor")
    return place_arrays({
        "before": room((capacity, width), dtype),
        "after": room((capacity, width), dtype),
        **{name: room((capacity,), np.int64) for name in numbers},
    })  # fmt: skip

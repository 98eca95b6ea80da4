"""Layouts of arrays in shared memory and in the configuration, the same on both sides of the pipe."""

from __future__ import annotations

import mmap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .protocol import MAX_NAMES, TEXT_BYTES

_ALIGN = 64


class Rollout:
    """A rollout's inputs and results in shared memory.

    Inputs: before and after [capacity, width] in the schema's dtype, actions int64 [capacity] or float64
    [capacity, A], starts uint8 [capacity]. Results, after the text area: float64 [MAX_NAMES + 2, capacity].

    Args:
        incoming: Memory of the inputs; None if only the sizes are needed.
        outgoing: Memory of text and results; None if only the sizes are needed.
        capacity: Most transitions.
        schema: The schema of the states, see views.py.
        action_width: 0 for discrete actions, otherwise the length A of a continuous action.
    """

    def __init__(
        self,
        incoming: mmap.mmap | None,
        outgoing: mmap.mmap | None,
        capacity: int,
        schema: Mapping[str, Any],
        action_width: int,
    ) -> None:
        state = np.dtype(schema.get("dtype", "int32"))
        self.action_width, self.width = action_width, int(schema["width"])
        columns = [(state, self.width), (state, self.width),
                   (np.dtype(np.float64 if action_width else np.int64), action_width or 1),
                   (np.dtype(np.uint8), 1)]  # fmt: skip
        self.input_bytes, self.output_bytes = 0, TEXT_BYTES + 8 * (MAX_NAMES + 2) * capacity
        self.inputs: list[np.ndarray] = []
        for dtype, width in columns:
            if incoming is not None:
                flat = np.frombuffer(incoming, dtype, width * capacity, self.input_bytes)
                self.inputs.append(flat.reshape(capacity, width))
            size = dtype.itemsize * width * capacity
            self.input_bytes += size + -size % _ALIGN
        self.output = None if outgoing is None else np.frombuffer(outgoing, np.float64, offset=TEXT_BYTES)

    def write(self, before: np.ndarray, actions: np.ndarray, after: np.ndarray, starts: np.ndarray) -> None:
        """Copy arrays [T, N, ...] into the input area."""
        count = starts.size
        for area, array in zip(self.inputs, (before, after, actions, starts), strict=True):
            area[:count] = array.reshape(count, -1)

    def release(self) -> None:
        """Drop all views of the shared memory, so that it can be closed."""
        self.inputs, self.output = [], None

    def read(self, steps: int, envs: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Return (before, actions, after, starts) as read-only copies, which the client can no longer change."""
        count = steps * envs
        before, after, actions, starts = (area[:count].copy() for area in self.inputs)
        for array in (before, after, actions):
            array.setflags(write=False)
        shape = (steps, envs, self.action_width) if self.action_width else (steps, envs)
        return (
            before.reshape(steps, envs, self.width),
            actions.reshape(shape),
            after.reshape(steps, envs, self.width),
            starts.reshape(steps, envs).astype(bool),
        )

    def results(self, steps: int, envs: int) -> np.ndarray:
        """Return the shared result area as float64 [MAX_NAMES + 2, T, N]."""
        assert self.output is not None
        return self.output[: (MAX_NAMES + 2) * steps * envs].reshape(MAX_NAMES + 2, steps, envs)


def pack_tables(tables: Mapping[str, Any]) -> tuple[list[dict[str, Any]], list[bytes]]:
    """Return tables as descriptions for the configuration (with lists of strings) and raw bytes (of arrays).

    Raises ValueError for a table that is neither a numeric array nor a list of strings.
    """
    described: list[dict[str, Any]] = []
    blobs: list[bytes] = []
    for name, table in tables.items():
        if isinstance(table, np.ndarray) and table.dtype.kind in "biuf":
            described.append({"name": name, "dtype": table.dtype.str, "shape": list(table.shape)})
            blobs.append(np.ascontiguousarray(table).tobytes())
        elif not isinstance(table, np.ndarray) and all(isinstance(text, str) for text in table):
            described.append({"name": name, "texts": list(table)})
        else:
            raise ValueError(f"table {name!r} must be a numeric array or a list of strings")
    return described, blobs


def unpack_tables(described: Sequence[Mapping[str, Any]], blobs: Sequence[bytes]) -> dict[str, Any]:
    """Return the tables from the result of `pack_tables`; arrays are read-only."""
    remaining = iter(blobs)
    return {
        table["name"]: tuple(table["texts"]) if "texts" in table
        else np.frombuffer(next(remaining), table["dtype"]).reshape(table["shape"])
        for table in described
    }  # fmt: skip


def place_arrays(arrays: Mapping[str, np.ndarray]) -> tuple[list[dict[str, Any]], int]:
    """Lay out arrays in one shared memory; return their places and the size in bytes.

    Raises ValueError for an array that is not numeric.
    """
    placed: list[dict[str, Any]] = []
    offset = 0
    for name, array in arrays.items():
        if array.dtype.kind not in "biuf":
            raise ValueError(f"array {name!r} must be numeric, not {array.dtype}")
        placed.append({"name": name, "dtype": array.dtype.str, "shape": list(array.shape), "offset": offset})
        offset += array.nbytes + -array.nbytes % _ALIGN
    return placed, max(offset, 1)


def read_arrays(placed: Sequence[Mapping[str, Any]], incoming: mmap.mmap) -> dict[str, np.ndarray]:
    """Return views of the arrays laid out by `place_arrays`; read-only if the memory is."""
    return {
        p["name"]: np.frombuffer(incoming, p["dtype"], int(np.prod(p["shape"])), p["offset"]).reshape(p["shape"])
        for p in placed
    }

"""Differentiable sums of table rows: a first layer over one-hot inputs without multiplications by zero."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional


@numba.njit(cache=True, nogil=True, fastmath=False)
def _add_rows(out: NDArray[np.float32], indices: NDArray[np.int64], rows: NDArray[np.float32]) -> None:
    """out[indices[b, i]] += rows[b], in order of b and i."""
    for b in range(indices.shape[0]):
        for i in range(indices.shape[1]):
            target = indices[b, i]
            for h in range(rows.shape[1]):
                out[target, h] += rows[b, h]


KINDS, COLORS, STATES = 11, 6, 3
"""MiniGrid's object types (unseen to agent), colours and door states."""
CODES, FEATURES = KINDS * COLORS * STATES, KINDS + COLORS + STATES


def read_cells(observations: torch.Tensor, cells: int, *, codes: bool) -> torch.Tensor:
    """Return the table rows that correspond to the first cells of observations.

    Args:
        observations: float32 [B, D]; a cell is (kind / 10, colour / 5, state / 2).
        cells: The number of cells.
        codes: True for one row per cell, out of 198: (kind * 6 + colour) * 3 + state. False for three rows per cell,
            out of 20: its kind, its colour and its state.

    Returns:
        int64 [B, cells] or [B, 3 * cells].
    """
    if not observations.is_cuda:
        seen = observations.detach().numpy()
        out = np.empty((len(seen), cells if codes else 3 * cells), np.int64)
        (_read_codes if codes else _read_features)(out, seen, cells)
        return torch.from_numpy(out)
    view = observations[:, : 3 * cells].reshape(-1, cells, 3)
    kind, color, state = (view * view.new_tensor([KINDS - 1, COLORS - 1, STATES - 1]) + 0.5).long().unbind(2)
    first = torch.arange(cells, device=observations.device)
    if codes:
        return first * CODES + (kind * COLORS + color) * STATES + state
    first *= FEATURES
    return torch.stack([first + kind, first + (KINDS + color), first + (KINDS + COLORS + state)], 2).flatten(1)


@numba.njit(cache=True, nogil=True)
def _read_codes(out: NDArray[np.int64], seen: NDArray[np.float32], cells: int) -> None:
    for b in range(out.shape[0]):
        for i in range(cells):
            kind, color, state = seen[b, 3 * i], seen[b, 3 * i + 1], seen[b, 3 * i + 2]
            code = (int(kind * 10 + 0.5) * COLORS + int(color * 5 + 0.5)) * STATES + int(state * 2 + 0.5)
            out[b, i] = i * CODES + code


@numba.njit(cache=True, nogil=True)
def _read_features(out: NDArray[np.int64], seen: NDArray[np.float32], cells: int) -> None:
    for b in range(out.shape[0]):
        for i in range(cells):
            first = i * FEATURES
            out[b, 3 * i] = first + int(seen[b, 3 * i] * 10 + 0.5)
            out[b, 3 * i + 1] = first + KINDS + int(seen[b, 3 * i + 1] * 5 + 0.5)
            out[b, 3 * i + 2] = first + KINDS + COLORS + int(seen[b, 3 * i + 2] * 2 + 0.5)


class SumOfRows(torch.autograd.Function):
    """Sums K rows of a table: (table [R, H], indices int64 [B, K]) -> [B, H].

    torch's own gradient of embedding_bag sorts the indices and takes three times as long on a CPU.
    """

    @staticmethod
    def forward(ctx: Any, table: torch.Tensor, indices: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(indices)
        ctx.rows = table.shape[0]
        return functional.embedding_bag(indices, table, mode="sum")

    @staticmethod
    def backward(ctx: Any, *grad_outputs: torch.Tensor) -> tuple[torch.Tensor, None]:
        (indices,), grad = ctx.saved_tensors, grad_outputs[0].contiguous()
        out = torch.zeros((ctx.rows, grad.shape[1]), dtype=grad.dtype, device=grad.device)
        if grad.is_cuda:
            repeated = grad.unsqueeze(1).expand(-1, indices.shape[1], -1).reshape(-1, grad.shape[1])
            out.index_add_(0, indices.flatten(), repeated)
        else:
            _add_rows(out.numpy(), indices.numpy(), grad.numpy())
        return out, None

"""Nested state (a learner's, an optimizer's) as named tensors and JSON, for safetensors files."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

_TENSOR, _ARRAY, _DICT, _TUPLE = "tensor", "array", "dict", "tuple"


def pack(value: Any, prefix: str, tensors: dict[str, torch.Tensor]) -> Any:
    """Return `value` as JSON data, and move its tensors and arrays into `tensors`.

    Args:
        value: Nested dicts (keys: strings or integers), lists and tuples of numbers, strings, booleans, None, torch
            tensors and numpy arrays.
        prefix: The beginning of the tensors' names.
        tensors: Receives the tensors and arrays.

    Raises:
        TypeError: If `value` contains anything else.
    """
    if isinstance(value, torch.Tensor | np.ndarray):
        name = f"{prefix}{len(tensors)}"
        array = isinstance(value, np.ndarray)
        tensors[name] = (torch.from_numpy(value.copy()) if array else value.detach().cpu()).contiguous()
        return {_ARRAY if array else _TENSOR: name}
    if isinstance(value, dict):
        return {_DICT: [[key, pack(part, prefix, tensors)] for key, part in value.items()]}
    if isinstance(value, list):
        return [pack(part, prefix, tensors) for part in value]
    if isinstance(value, tuple):
        return {_TUPLE: [pack(part, prefix, tensors) for part in value]}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"a checkpoint cannot hold a {type(value).__name__}")


def unpack(packed: Any, tensors: dict[str, torch.Tensor]) -> Any:
    """Return the value that `pack` has packed, given the same tensors."""
    if isinstance(packed, list):
        return [unpack(part, tensors) for part in packed]
    if not isinstance(packed, dict):
        return packed
    [(kind, content)] = packed.items()
    if kind == _TENSOR:
        return tensors[content]
    if kind == _ARRAY:
        return tensors[content].numpy()
    if kind == _TUPLE:
        return tuple(unpack(part, tensors) for part in content)
    return {key: unpack(part, tensors) for key, part in content}

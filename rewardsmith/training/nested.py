"""Nested state (a learner's, an optimizer's) as named tensors and JSON, for safetensors files."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

_TENSOR, _ARRAY, _DICT, _TUPLE = "tensor", "array", "dict", "tuple"


def pack(value: Any, prefix: str, tensors: dict[str, torch.Tensor]) -> Any:
    """JSON of `value`; tensors and arrays go into `tensors` under names that begin with `prefix`.

    Takes dicts (keys: strings or integers), lists, tuples, numbers, strings, booleans, None, torch tensors and numpy
    arrays. Raises TypeError for anything else.
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
    """The inverse of `pack`."""
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

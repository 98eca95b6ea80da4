"""torch's Adam without the import of torch's compiler, which costs each trial's process more than a second."""

from __future__ import annotations

import contextlib
from typing import Any

import torch


def _opt_out_of_compiler() -> None:
    """Methods of Optimizer import `torch._dynamo` at the first call, only to opt out of it; do so beforehand."""
    for name in dir(torch.optim.Optimizer):
        method = getattr(getattr(torch.optim.Optimizer, name), "__wrapped__", None)
        if method is not None and not hasattr(method, "__dynamo_disable"):
            with contextlib.suppress(AttributeError):
                setattr(method, "__dynamo_disable", method)


class LightAdam(torch.optim.Adam):
    """Adam (Kingma and Ba 2015), the same numbers as torch.optim.Adam."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        _opt_out_of_compiler()
        super().__init__(*args, **kwargs)

    # torch's own step is this function inside a wrapper that imports the compiler and turns gradients off.
    step = torch.no_grad()(getattr(torch.optim.Adam.step, "__wrapped__", torch.optim.Adam.step))

"""torch's Adam without importing torch's compiler, which takes more than a second in each trial's process."""

from __future__ import annotations

import contextlib
from typing import Any

import torch


def _opt_out_of_compiler() -> None:
    """Mark Optimizer's methods as opted out of the compiler; otherwise their first call imports `torch._dynamo`."""
    for name in dir(torch.optim.Optimizer):
        method = getattr(getattr(torch.optim.Optimizer, name), "__wrapped__", None)
        if method is not None and not hasattr(method, "__dynamo_disable"):
            with contextlib.suppress(AttributeError):
                setattr(method, "__dynamo_disable", method)


class LightAdam(torch.optim.Adam):
    """Adam (Kingma and Ba 2015), with results identical to torch.optim.Adam."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        _opt_out_of_compiler()
        super().__init__(*args, **kwargs)

    # torch's own step wraps this function in code that imports the compiler and disables gradients.
    step = torch.no_grad()(getattr(torch.optim.Adam.step, "__wrapped__", torch.optim.Adam.step))

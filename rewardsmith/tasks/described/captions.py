"""States of described tasks in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from rewardsmith.tasks.described.description import Variable
from rewardsmith.tasks.described.reading import Variable as Reader

_TOLD = 12  # numbers of a vector that are shown


def caption_of(variables: Sequence[Variable], readers: Sequence[Reader], row: NDArray[Any]) -> str:
    """Return a state row [W] in words: each variable with its value and its unit."""
    parts = []
    for variable, reader in zip(variables, readers, strict=False):
        value = reader.read(row)
        shown = value
        if isinstance(value, list):
            rest = f", and {len(value) - _TOLD} more" if len(value) > _TOLD else ""
            shown = ", ".join(format(x, ".3g") for x in value[:_TOLD]) + rest
        shown = format(shown, ".3g") if isinstance(shown, float) else shown
        unit = f" {variable.unit}" if variable.unit else ""
        parts.append(
            f"{variable.name} ({shown}){unit}" if isinstance(value, list) else f"{variable.name} {shown}{unit}"
        )
    return ", ".join(parts)

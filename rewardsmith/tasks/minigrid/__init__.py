"""MiniGrid tasks: a compiled engine for the classic families, the real environments for all others."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec

from .compiled import CompiledTask
from .families import COVERED, is_foreign_id, registered_ids
from .task import MiniGridTask

__all__ = ["CompiledTask", "MiniGridTask", "get_task", "list_ids"]


def get_task(task_id: str, sizes: Mapping[str, int] | None = None) -> MiniGridTask:
    """Return the task of a MiniGrid or BabyAI id.

    Args:
        task_id: The id.
        sizes: Numbers of layouts by pool, to override the default ones.

    Raises:
        KeyError: If minigrid does not register the id.
    """
    if task_id in COVERED:
        return CompiledTask(task_id, sizes)
    if not is_foreign_id(task_id):
        raise KeyError(f"{task_id!r} is not a MiniGrid id")
    return MiniGridTask(task_id, sizes)


def list_ids() -> list[tuple[str, str]]:
    """Return (id, engine) of every id that can be played here; the engine is "batched" or "real"."""
    names = registered_ids()
    if find_spec("imageio") is None or find_spec("networkx") is None:
        # minigrid always registers these ids, but their layouts need its optional packages.
        names = [name for name in names if "-WFC-" not in name]
    return [(name, "batched" if name in COVERED else "real") for name in names]

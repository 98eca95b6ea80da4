"""MiniGrid tasks: a compiled engine for the classic families, the real environments for all others."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec

from .compiled import CompiledTask
from .families import COVERED, is_foreign_id, registered_ids
from .task import MiniGridTask

__all__ = ["CompiledTask", "MiniGridTask", "get_task", "list_ids"]


def get_task(task_id: str, sizes: Mapping[str, int] | None = None) -> MiniGridTask:
    """The task of a MiniGrid or BabyAI id; `sizes` overrides how many layouts a pool holds.

    Raises KeyError for ids that minigrid does not register.
    """
    if task_id in COVERED:
        return CompiledTask(task_id, sizes)
    if not is_foreign_id(task_id):
        raise KeyError(f"{task_id!r} is not a MiniGrid id")
    return MiniGridTask(task_id, sizes)


def list_ids() -> list[tuple[str, str]]:
    """Every id that can be played here, with its engine: "batched" or "real"."""
    names = registered_ids()
    if find_spec("imageio") is None or find_spec("networkx") is None:
        # minigrid registers these always, but their layouts need its optional packages.
        names = [name for name in names if "-WFC-" not in name]
    return [(name, "batched" if name in COVERED else "real") for name in names]

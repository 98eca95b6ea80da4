"""Tasks by id: MiniGrid's, the described Gymnasium ones, and a user's own YAML descriptions."""

from __future__ import annotations

import difflib
import threading
from functools import lru_cache
from typing import Any

from rewardsmith.errors import UsageError


def get_task(name: str) -> Any:
    """The Task called `name` (an id, or a YAML file). Raises UsageError naming the nearest ids."""
    from rewardsmith.tasks import gymnasium

    try:
        return _kept(name)
    except KeyError:
        pass  # not MiniGrid's; the next family may know it
    try:
        return gymnasium.load_task(name)
    except KeyError:
        if name.endswith((".yaml", ".yml")):
            raise UsageError(f"There is no file {name}.", "Give the path of a task description.") from None
        near = difflib.get_close_matches(name, [task_id for task_id, _ in list_tasks()], n=3)
        hint = f"Did you mean {', '.join(near)}? " if near else ""
        raise UsageError(f"There is no task {name!r}.", f"{hint}`rewardsmith tasks list` shows all of them.") from None


_HERE = threading.local()


def _kept(name: str) -> Any:
    """A MiniGrid task with what it has worked out so far, one per thread: tasks are not made for several."""
    from rewardsmith.tasks import minigrid

    if not hasattr(_HERE, "get_task"):
        _HERE.get_task = lru_cache(maxsize=8)(minigrid.get_task)
    return _HERE.get_task(name)


def list_tasks() -> list[tuple[str, str]]:
    """All known ids with the engine that runs them: "batched" (compiled) or "real"."""
    from rewardsmith.tasks import gymnasium, minigrid

    return [*minigrid.list_ids(), *((task_id, "real") for task_id in gymnasium.described_ids())]

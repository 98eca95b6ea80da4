"""Tasks by id: MiniGrid's, the described Gymnasium ones, and a user's own YAML descriptions."""

from __future__ import annotations

import difflib
import threading
from functools import lru_cache
from typing import TYPE_CHECKING

from rewardsmith.errors import UsageError

if TYPE_CHECKING:
    from rewardsmith.tasks.base import Task
    from rewardsmith.tasks.described.stored import StoredTask


def get_task(name: str, stored: StoredTask | None = None) -> Task:
    """The Task called `name` (an id, or a YAML file); the one that a job has stored, if given (stored.StoredTask).

    Raises UsageError naming the nearest ids, and modules.TaskChanged.
    """
    if stored is not None:
        from rewardsmith.tasks.described.stored import open_stored

        return open_stored(name, stored)
    from rewardsmith.tasks.described.task import load_task

    try:
        return _kept(name)
    except KeyError:
        pass  # not MiniGrid's; the next family may know it
    try:
        return load_task(name)
    except KeyError:
        raise _unknown(name) from None


def _unknown(name: str) -> UsageError:
    """What to say of a name that is no task: the nearest ids, or how an environment is described."""
    listed = "`rewardsmith tasks list` shows all of them."
    near = difflib.get_close_matches(name, [task_id for task_id, _ in list_tasks()], n=3)
    from rewardsmith.tasks.described.skeleton import is_registered, registered_version

    if ":" in name or is_registered(name):
        file = f"{name.rpartition(':')[2].partition('-')[0].lower() or 'task'}.yaml"
        return UsageError(
            f"{name} is a Gymnasium environment without a description, and its state has no names yet.",
            f"`rewardsmith tasks skeleton {name} > {file}` writes one to fill in; then give `--task {file}`. "
            "See docs/tasks.md.",
        )
    if not near and (version := registered_version(name)) is not None:
        return UsageError(
            f"There is no task {name!r}; Gymnasium knows {version}.",
            f"`rewardsmith tasks skeleton {version}` writes a description of it to fill in, or says which wrapper it "
            "needs first. See docs/tasks.md.",
        )
    own = "For an environment of your own: `rewardsmith tasks skeleton MODULE:ID`, see docs/tasks.md."
    remedy = f"Did you mean {', '.join(near)}? {listed}" if near else f"{listed} {own}"
    return UsageError(f"There is no task {name!r}.", remedy)


_HERE = threading.local()


def _kept(name: str) -> Task:
    """A MiniGrid task with what it has worked out so far, one per thread: tasks are not made for several."""
    from rewardsmith.tasks import minigrid

    if not hasattr(_HERE, "get_task"):
        _HERE.get_task = lru_cache(maxsize=8)(minigrid.get_task)
    return _HERE.get_task(name)


def list_tasks() -> list[tuple[str, str]]:
    """All known ids with the engine that runs them: "batched" (compiled) or "real"."""
    from rewardsmith.tasks import minigrid
    from rewardsmith.tasks.described.description import described_ids

    return [*minigrid.list_ids(), *((task_id, "real") for task_id in described_ids())]

"""Look up tasks: MiniGrid and BabyAI ids, shipped and installed descriptions, and a user's own files."""

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
    """Return the task called `name`.

    Args:
        name: A task id, the name of an installed task, the path of a description, or MODULE:NAME.
        stored: The description that a job stored (see stored.StoredTask); it is used instead of the file `name`.

    Raises:
        UsageError: If there is no such task; the message names the nearest ids.
        TaskChanged: If the module of a stored task has changed since the job began.
    """
    if stored is not None:
        from rewardsmith.tasks.described.stored import open_stored

        return open_stored(name, stored)
    from rewardsmith.tasks.described.task import load_task

    try:
        return _kept(name)
    except KeyError:
        pass  # not a MiniGrid id; it may be a described Gymnasium task
    try:
        return load_task(name)
    except KeyError:
        raise _unknown(name) from None


def with_states(task: Task, most: int | None = None) -> Task:
    """Return a described task with its states enumerated, if its environment is small and deterministic.

    Args:
        task: The task. One that is not described, or cannot be enumerated, is returned as it is.
        most: Most steps of environments that the enumeration takes; None for no limit.
    """
    from rewardsmith.tasks.described.task import DescribedTask

    if not isinstance(task, DescribedTask):
        return task
    from rewardsmith.tasks.described.enumerated import enumerated

    return enumerated(task, most)[0] or task


def steps_of_states(task: Task, most: int | None = None) -> int:
    """Return the steps of environments that `with_states` has taken for a task so far, with the same arguments."""
    from rewardsmith.tasks.described.task import DescribedTask

    if not isinstance(task, DescribedTask):
        return 0
    from rewardsmith.tasks.described.enumerated import enumerated

    enumerator = enumerated(task, most)[1]
    return 0 if enumerator is None else enumerator.steps


def _unknown(name: str) -> UsageError:
    """The error for an unknown task name: it names the nearest ids, or says how to describe an environment."""
    listed = "`rewardsmith tasks list` shows all of them."
    near = difflib.get_close_matches(name, [task_id for task_id, _ in list_tasks()], n=3)
    from rewardsmith.tasks.described.environments import missing_extra, registered_version

    if (missing := missing_extra(name)) is not None:
        package, extra = missing
        return UsageError(
            f"There is no task {name!r} here: the package {package} is not installed.",
            f"Install it: pip install 'rewardsmith[{extra}]'.",
        )
    if (version := registered_version(name)) is not None:
        return UsageError(f"There is no task {name!r}; Gymnasium knows {version}.", f"Use `--task {version}`.")
    own = "For an environment of your own: `rewardsmith tasks new MODULE:ID`, see docs/tasks.md."
    remedy = f"Did you mean {', '.join(near)}? {listed}" if near else f"{listed} {own}"
    return UsageError(f"There is no task {name!r}.", remedy)


_HERE = threading.local()


def _kept(name: str) -> Task:
    """A MiniGrid task from this thread's cache. Tasks keep computed results and are not thread-safe."""
    from rewardsmith.tasks import minigrid

    if not hasattr(_HERE, "get_task"):
        _HERE.get_task = lru_cache(maxsize=8)(minigrid.get_task)
    return _HERE.get_task(name)


def list_tasks() -> list[tuple[str, str]]:
    """Return (id, engine) of all known tasks; the engine is "batched" (compiled) or "real".

    That of installed tasks is "-", because listing them imports nothing.
    """
    from rewardsmith.tasks.described.installed import installed_tasks

    ours = _shipped()
    return [*ours.items(), *((name, "-") for name in installed_tasks() if name not in ours)]


@lru_cache(maxsize=1024)
def is_shipped(name: str) -> bool:
    """Return whether rewardsmith, or an extra of it, brings a task. Its package need not be installed here."""
    import gymnasium as gym

    from rewardsmith.tasks.extras import extra_of

    return name in _shipped() or name in gym.registry or extra_of(name) is not None


def brought_by(name: str) -> str:
    """Return the distribution that brings a task, with its version; empty for those of rewardsmith itself."""
    from rewardsmith.tasks.described.installed import installed_tasks

    found = installed_tasks().get(name)
    return "" if found is None or name in _shipped() else found.distributions


def _shipped() -> dict[str, str]:
    """The engine of each task that comes with rewardsmith; no distribution can replace one."""
    from rewardsmith.tasks import minigrid
    from rewardsmith.tasks.described.description import described_ids
    from rewardsmith.tasks.described.families import listed_ids

    described = (*described_ids(), *listed_ids())
    return {**dict(minigrid.list_ids()), **dict.fromkeys(described, "real")}

"""Finds out whether a description is of a MiniGrid environment, and drafts one; MiniGrid is imported only then."""

from __future__ import annotations

import inspect
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from rewardsmith.errors import UsageError
from rewardsmith.tasks.described import environments
from rewardsmith.tasks.described.description import Description
from rewardsmith.tasks.described.grid_class import is_grid_class
from rewardsmith.tasks.described.modules import importable
from rewardsmith.tasks.described.python_tasks import hooks_of

if TYPE_CHECKING:
    from rewardsmith.tasks.described.grid_drafts import GridDraft


def is_grid(description: Description, folder: Path | None) -> bool:
    """Whether a description is of a MiniGridEnv, and leaves it to MiniGrid's state what rewards read."""
    if description.state or description.state_function is not None:
        return False
    with suppress(UsageError):  # whoever makes the environment reports it
        hooks = hooks_of(description, folder)
        if hooks.state is not None:
            return False
        creator = hooks.make or environments.creator_of(description.environment, folder)
        if creator is None or "minigrid.minigrid_env" not in sys.modules:
            return False
        if inspect.isclass(creator):
            return is_grid_class(creator)
        env = environments.make_environment(description.model_copy(update={"wrappers": []}), folder, hooks.make)
        found = is_grid_class(type(env.unwrapped))
        environments.close(env)
        return found
    return False


def inferred_grid(name: str, folder: Path) -> GridDraft | None:
    """The draft of a MiniGridEnv; None for all other environments. Raises UsageError."""
    bare = Description(id=name, goal="", score="return", max_steps=1)
    if not is_grid(bare, folder):
        return None
    from rewardsmith.tasks.described.grid_drafts import draft_grid  # imports minigrid

    with importable(folder), environments.generators_kept():
        env = environments.make_environment(bare, folder)
        found = draft_grid(name, env)
    environments.close(env)
    return found

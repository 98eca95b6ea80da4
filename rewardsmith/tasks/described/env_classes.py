"""A Python file that defines an environment, as MODULE:CLASS."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path
from typing import Any

from rewardsmith.errors import UsageError
from rewardsmith.tasks.described.environments import environment_blamed
from rewardsmith.tasks.described.modules import importable, require_task_files


def named_environment(name: str, folder: Path) -> tuple[str, Path]:
    """Return an environment's id, MODULE:ID or MODULE:CLASS, and the folder of its module.

    Args:
        name: One of these, or FILE.py of a file that defines one environment, or FILE.py:CLASS.
        folder: The current folder.

    Raises:
        UsageError: If there is no such file, if it defines no environment or several, or if it cannot be imported.
    """
    file, _, attribute = name.partition(":")
    if not file.endswith(".py"):
        return name, folder
    path = Path(file)
    if not path.is_file():
        raise UsageError(f"There is no file {path}.", "Give the path of a Python file, or Gymnasium's id.")
    require_task_files(str(path))
    folder = path.absolute().parent
    with importable(folder), environment_blamed(f"the module {path.stem} was imported", "Fix the module."):
        module = importlib.import_module(path.stem)
    if attribute:
        return f"{path.stem}:{attribute}", folder
    mine = [n for n, v in vars(module).items() if _is_env(v) and v.__module__ == path.stem and not n.startswith("_")]
    if len(mine) != 1:
        told = f"{len(mine)} environments: {', '.join(mine)}" if mine else "no class derived from gymnasium.Env"
        raise UsageError(f"{path} defines {told}.", f"Name one, as {path}:CLASS.")
    return f"{path.stem}:{mine[0]}", folder


def _is_env(found: Any) -> bool:
    import gymnasium as gym

    return inspect.isclass(found) and issubclass(found, gym.Env)

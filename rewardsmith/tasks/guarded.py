"""Calls into a user's own code, whose exceptions become TaskErrors that name the line.

Without this an environment's own error would be taken for a defect of rewardsmith.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from rewardsmith.errors import TaskError, UsageError, is_disk_full, words_of

T = TypeVar("T")

REMEDY = "Fix the environment, then run the command again; no reward is at fault."
_BETWEEN = {"rewardsmith", "gymnasium", "minigrid", "numpy", "workers"}
"""Packages whose frames are not the user's code."""
_LONGEST = 300  # characters of an environment's own message


def called(task_id: str, where: str, call: Callable[..., T], *arguments: Any, **named: Any) -> T:
    """Call a function that runs a user's code.

    Args:
        task_id: The task's id, for messages.
        where: The function's name in messages, such as "step()".
        call: The function.
        *arguments: Its arguments.
        **named: Its keyword arguments.

    Returns:
        What `call` returns.

    Raises:
        TaskError: If it raises, SystemExit included, which would otherwise end the process without a message. A full
            disk and Ctrl-C are passed on.
    """
    try:
        return call(*arguments, **named)
    except (Exception, SystemExit) as error:
        raise task_error(task_id, where, error) from error


def task_error(
    task_id: str, where: str, error: BaseException, blamed: str = "environment", remedy: str = REMEDY
) -> BaseException:
    """What to raise for an exception of a user's code: a TaskError, or the exception itself for a full disk.

    blamed: What the message calls the code.
    """
    if isinstance(error, TaskError) or is_disk_full(error):
        return error
    if isinstance(error, UsageError):
        return TaskError(error.cause, error.remedy)
    return TaskError(f"The {blamed} of {task_id} {raised(error, where)}.", remedy)


def raised(error: BaseException, where: str) -> str:
    """`raised ValueError: no licence (in step(), file.py, line 12)`: an exception of a user's code in words."""
    text = words_of(error, _LONGEST)
    named_as = type(error).__name__ + (f": {text}" if text else "")
    return f"raised {named_as} (in {where}{_place(error)})"


def _place(error: BaseException) -> str:
    """`, file.py, line 12` of the innermost frame in the user's code; empty if there is none."""
    for frame, line in reversed(list(traceback.walk_tb(error.__traceback__))):
        package = str(frame.f_globals.get("__name__", "")).split(".")[0]
        if package not in _BETWEEN and package not in sys.stdlib_module_names:
            return f", {Path(frame.f_code.co_filename).name}, line {line}"
    return ""

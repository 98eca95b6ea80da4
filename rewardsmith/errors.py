"""The hierarchy of errors. Each has a cause and a remedy, which the command line prints in two lines."""

from __future__ import annotations

import errno
from collections.abc import Callable
from functools import wraps
from importlib.util import find_spec
from typing import ParamSpec, TypeVar


class RewardsmithError(Exception):
    """An error that the user can fix.

    Attributes:
        cause: What went wrong, as a sentence.
        remedy: What to do about it: an option, a value or a command.
        exit_code: Exit code of the command: 1 if the work failed, 2 if the request was wrong.
    """

    exit_code = 1

    def __init__(self, cause: str, remedy: str) -> None:
        super().__init__(f"{cause}\n{remedy}")
        self.cause = cause
        self.remedy = remedy


class UsageError(RewardsmithError):
    """The request itself is wrong: an unknown task, an unreadable file, a value out of range."""

    exit_code = 2


class TaskError(UsageError):
    """The task's environment (the user's code) raised an error or broke its contract. No reward is at fault."""


class StorageError(RewardsmithError):
    """The database cannot be used: it is missing, locked, full, or of another version."""


class BudgetSpent(RewardsmithError):
    """A limit of the job's budget is reached. Results so far are kept."""


class LostItem(RewardsmithError):
    """This process no longer holds the work item: it was cancelled, or another worker has leased it."""


class DiskFull(RewardsmithError):
    """A disk of this machine has no space left. Finished results are kept."""


def words_of(error: BaseException, longest: int) -> str:
    """Return an exception's message on one line of at most `longest` characters; "" if its `__str__` raises."""
    try:
        text = " ".join(str(error).split())
    except Exception:
        return ""
    return text if len(text) <= longest else f"{text[:longest]} ..."


def is_disk_full(error: BaseException) -> bool:
    """Return whether the operating system refused a write because the disk or the quota is full."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


def of_system(error: OSError) -> RewardsmithError:
    """Convert an error of the operating system into a cause and a remedy; DiskFull if no space is left."""
    where = f": {error.filename}" if error.filename else ""
    if is_disk_full(error):
        return DiskFull(
            f"No space left on the disk{where}",
            "Free some space and run the command again; finished results are kept.",
        )
    return RewardsmithError(f"{error.strerror or error}{where}", "Check the path, its permissions and the free space.")


def no_reward(what: str, problem: str | None) -> UsageError:
    """Return the error for a text that defines no reward function.

    Args:
        what: The name of the text or file in the message.
        problem: The syntax error, if the text is not valid Python; else None.
    """
    if problem is not None:
        return UsageError(f"{what} is not valid Python: {problem}.", "Fix the syntax error first.")
    return UsageError(
        f"{what} defines neither reward(), potential(), dense() and sparse(), nor subgoals() with predicates.",
        "Write `def reward(prev, action, state, memory):` returning a number or a dict of numbers.",
    )


def no_cuda() -> RewardsmithError:
    """Return the error for a job that requires CUDA on a machine without it."""
    return RewardsmithError(
        "This machine has no CUDA device that torch can use.",
        "Use --device cpu, or install a CUDA build of torch; `rewardsmith doctor` shows whether it finds the GPU.",
    )


TRAIN_PACKAGES = ("torch", "stable_baselines3", "sb3_contrib", "litellm", "matplotlib", "optuna")
"""The packages of the extra `train`, as Python imports them. `check` needs none of them."""

INSTALL_TRAIN = "Install the extra `train`: pip install 'rewardsmith[train]'."

_P = ParamSpec("_P")
_R = TypeVar("_R")


class MissingExtra(UsageError):
    """A package of an extra is not installed."""


def require_train(what: str) -> None:
    """Raise MissingExtra if a package of the extra `train` is missing.

    Args:
        what: What needs it, such as "A job".
    """
    missing = [name for name in TRAIN_PACKAGES if find_spec(name) is None]
    if missing:
        raise _missing(what, missing)


def missing_extra(error: BaseException, what: str = "This command") -> MissingExtra | None:
    """Return the error for a failed import of a package of the extra `train`; None for every other error."""
    name = (getattr(error, "name", None) or "").partition(".")[0] if isinstance(error, ImportError) else ""
    return _missing(what, [name]) if name in TRAIN_PACKAGES and find_spec(name) is None else None


def names_missing_extra(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Let a function raise MissingExtra where a package of the extra `train` cannot be imported."""

    @wraps(function)
    def called(*positional: _P.args, **named: _P.kwargs) -> _R:
        try:
            return function(*positional, **named)
        except ImportError as error:
            found = missing_extra(error, f"{function.__name__}()")
            if found is None:
                raise
            raise found from error

    return called


def _missing(what: str, names: list[str]) -> MissingExtra:
    are = "is" if len(names) == 1 else "are"
    return MissingExtra(f"{what} needs {', '.join(names)}, which {are} not installed.", INSTALL_TRAIN)

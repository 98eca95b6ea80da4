"""One hierarchy of errors: each says the cause and the remedy, which the CLI prints in two lines."""

from __future__ import annotations

import errno


class RewardsmithError(Exception):
    """Something the user can mend. `exit_code` 1 = it did not work, 2 = it was asked for wrongly."""

    exit_code = 1

    def __init__(self, cause: str, remedy: str) -> None:
        super().__init__(f"{cause}\n{remedy}")
        self.cause = cause
        self.remedy = remedy


class UsageError(RewardsmithError):
    """The request itself is wrong: unknown task, unreadable spec, impossible option."""

    exit_code = 2


class TaskError(UsageError):
    """The task's environment, the user's own code, failed or broke its contract. No reward is at fault."""


class StorageError(RewardsmithError):
    """The database cannot be used: missing, locked, of another version, no space."""


class BudgetSpent(RewardsmithError):
    """A hard limit of the job is reached; what was found so far is kept."""


class LostItem(RewardsmithError):
    """The work item is no longer ours: cancelled, or its lease went to another worker."""


class DiskFull(RewardsmithError):
    """A disk of this machine has no space left. What is finished is kept."""


def words_of(error: BaseException, longest: int) -> str:
    """An exception's own text on one line, cut at `longest` characters; that of foreign code may fail to be made."""
    try:
        text = " ".join(str(error).split())
    except Exception:
        return ""
    return text if len(text) <= longest else f"{text[:longest]} ..."


def is_disk_full(error: BaseException) -> bool:
    """Whether the operating system refused a write for want of space."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


def of_system(error: OSError) -> RewardsmithError:
    """What the operating system refused, as a cause and a remedy."""
    where = f": {error.filename}" if error.filename else ""
    if is_disk_full(error):
        return DiskFull(
            f"No space left on the disk{where}",
            "Free some; nothing that is finished is lost.",
        )
    return RewardsmithError(f"{error.strerror or error}{where}", "Check the path, rights and free space.")


def no_reward(what: str, problem: str | None) -> UsageError:
    """What to say of a text without a reward function; `problem`: why it is not even Python, if so."""
    if problem is not None:
        return UsageError(f"{what} is not Python: {problem}.", "Mend it; nothing of it can be read before.")
    return UsageError(
        f"{what} defines neither reward(), potential(), dense() and sparse(), nor subgoals() with predicates.",
        "Write `def reward(prev, action, state, memory):` returning a number or a dict of numbers.",
    )


def no_cuda() -> RewardsmithError:
    """What to say where CUDA is asked for and absent."""
    return RewardsmithError(
        "This machine has no CUDA device that torch can use.",
        "Leave --device at cpu, or install a CUDA build of torch; `rewardsmith doctor` shows the GPU.",
    )

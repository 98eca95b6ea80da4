"""Reads a user's reward file and detects for which method its program is written."""

from __future__ import annotations

from pathlib import Path

from rewardsmith.errors import UsageError, no_reward
from rewardsmith.files import read_text
from rewardsmith.programs.answer_text import UnreadableAnswer
from rewardsmith.programs.params import with_values
from rewardsmith.programs.reward import syntax_problem, top_level_names
from rewardsmith.programs.specified import program_of_json
from rewardsmith.syntax import MAX_CHARACTERS
from rewardsmith.tasks import get_task
from rewardsmith.tasks.base import Task

BEGIN = "# --- reward program, as designed " + "-" * 47
END = "# --- end of the reward program " + "-" * 49


def read_reward_file(path: Path, task: str | Task | None = None) -> str:
    """Read the program of a user's file: the whole text, or the marked part of an exported file.

    Args:
        path: A Python file, or a JSON file with a goal or a reward machine.
        task: The task, whose names a JSON file uses.

    Raises:
        UsageError: The file cannot be read, is too long, or defines no reward.
    """
    try:
        text = read_text(path)
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"Cannot read the reward file {path}: {error}", "Give a Python file in UTF-8.") from error
    if path.suffix == ".json":
        return _of_json(text, path, task)
    program = program_of(text) or text
    if len(program) > MAX_CHARACTERS:
        raise UsageError(
            f"The program in {path} has {len(program):,} characters.",
            f"Shorten it to at most {MAX_CHARACTERS:,} characters, for example with loops.",
        )
    method_of(program, str(path))
    return with_values(program, {})


def _of_json(text: str, path: Path, task: str | Task | None) -> str:
    """Return the program of a goal or a reward machine in a JSON file."""
    if task is None:
        raise UsageError(f"{path} holds a specification in JSON, whose names belong to a task.", "Pass --task as well.")
    found = get_task(task) if isinstance(task, str) else task
    try:
        return program_of_json(text, found.interface().facts)
    except UnreadableAnswer as error:
        remedy = f"Correct the file. `rewardsmith tasks describe {found.id}` prints the names of the task."
        raise UsageError(f"{path} cannot be read: {error.reason}", remedy) from error


def program_of(text: str) -> str | None:
    """Return the program inside the text of an exported file; None for any other text."""
    if BEGIN not in text or END not in text:
        return None
    return text.split(BEGIN, 1)[1].split(END, 1)[0].strip() + "\n"


def method_of(source: str, what: str = "The file") -> str:
    """Return the method of a program, detected from its functions.

    dense() and sparse() belong to auto-mc-reward, subgoals() to calm, factors() to lare, and reward() or potential() to
    free.

    Args:
        source: Text of the program.
        what: Name of the program in the error message.

    Raises:
        UsageError: It defines none of these functions.
    """
    names = top_level_names(source)
    if {"dense", "sparse"} <= names:
        return "auto-mc-reward"
    if "subgoals" in names:
        return "calm"
    if "factors" in names:
        return "lare"
    if names & {"reward", "potential"}:
        return "free"
    raise no_reward(what, syntax_problem(source))

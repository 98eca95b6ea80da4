"""Reading anybody's reward file: its program, and the method that the program is written for."""

from __future__ import annotations

from pathlib import Path

from rewardsmith.errors import UsageError, no_reward
from rewardsmith.files import read_text
from rewardsmith.programs.reward import syntax_problem, top_level_names
from rewardsmith.syntax import MAX_CHARACTERS

BEGIN = "# --- reward program, as designed " + "-" * 47
END = "# --- end of the reward program " + "-" * 49


def read_reward_file(path: Path) -> str:
    """The program in a user's file: the text without a byte order mark, or the marked part of an exported file.

    Raises UsageError for a file that cannot be read whole or that defines no reward.
    """
    try:
        text = read_text(path)
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"Cannot read the reward file {path}: {error}", "Give a Python file in UTF-8.") from error
    program = program_of(text) or text
    if len(program) > MAX_CHARACTERS:
        raise UsageError(
            f"The program in {path} has {len(program):,} characters.",
            f"Stay below {MAX_CHARACTERS:,}; loops are shorter.",
        )
    method_of(program, str(path))
    return program


def program_of(text: str) -> str | None:
    """The program inside an exported file's text, or None if it is not one."""
    if BEGIN not in text or END not in text:
        return None
    return text.split(BEGIN, 1)[1].split(END, 1)[0].strip() + "\n"


def method_of(source: str, what: str = "The file") -> str:
    """The method that trains a text, by what it defines: dense() and sparse(), subgoals(), or reward() or potential().

    Raises UsageError if it defines none of these; `what` is how the message calls it.
    """
    names = top_level_names(source)
    if {"dense", "sparse"} <= names:
        return "auto-mc-reward"
    if "subgoals" in names:
        return "calm"
    if names & {"reward", "potential"}:
        return "free"
    raise no_reward(what, syntax_problem(source))

"""Anybody's reward file: which method it is written for."""

from __future__ import annotations

from rewardsmith.errors import no_reward
from rewardsmith.programs.reward import syntax_problem, top_level_names


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

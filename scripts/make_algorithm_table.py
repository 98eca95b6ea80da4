"""Write the tables of docs/training.md: which algorithm works with which method, and which has which setting.

.venv/bin/python -m scripts.make_algorithm_table

Each cell comes from the check that refuses a job when it is created.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rewardsmith.errors import UsageError
from rewardsmith.methods import all_methods
from rewardsmith.methods.recipe import recipe_of
from rewardsmith.spec import TrainingSpec, read_spec, with_defaults
from rewardsmith.spec.training import ALGORITHMS

PAGE = Path(__file__).parent.parent / "docs" / "training.md"
_TASK = "Any-v0"  # no task is opened
_OPEN, _CLOSE = "<!-- algorithms -->", "<!-- /algorithms -->"


def main() -> None:
    """Write the tables into the page."""
    PAGE.write_text(with_tables(PAGE.read_text()))


def with_tables(page: str) -> str:
    """Return the text of the page with the current tables."""
    before, after = page.split(_OPEN)[0], page.split(_CLOSE)[1]
    return f"{before}{_OPEN}\n{tables()}\n{_CLOSE}{after}"


def tables() -> str:
    """Return both tables as Markdown."""
    methods = _table("method", sorted(all_methods()), accepts_method)
    settings = [name for name in TrainingSpec.model_fields if name != "algorithm"]
    return f"{methods}\n\n{_table('setting', settings, accepts_setting)}"


def accepts_method(method: str, algorithm: str) -> bool:
    """Return whether a job of this method may train with this algorithm."""
    spec = read_spec(with_defaults({"task": _TASK, "method": method, "training": {"algorithm": algorithm}}))
    return not _refused(lambda: recipe_of(spec))


def accepts_setting(setting: str, algorithm: str) -> bool:
    """Return whether a job with this algorithm may change this setting."""
    needed = {"her": True} if setting in ("n_sampled_goal", "goal_selection") else {}
    training = {"algorithm": algorithm, **needed, setting: changed(setting)}
    return not _refused(lambda: read_spec(with_defaults({"task": _TASK, "training": training})))


def changed(setting: str) -> Any:
    """Return a valid value of a setting that is not its default, and that every algorithm with the setting takes."""
    default = TrainingSpec.model_fields[setting].default
    named = {
        "entropy_schedule": "constant", "cells": "scaled", "memory": "lstm", "device": "auto", "hidden": [32],
        "implementation": "sb3", "goal_selection": "final", "policy_kwargs": {"n_critics": 1}, "sde_sample_freq": 8,
        "starts": "near-goal", "horizon": "scheduled", "align": "gradient",
        "curriculum": ["MiniGrid-DoorKey-5x5-v0"],
    }  # fmt: skip
    if setting in named:
        return named[setting]
    if isinstance(default, bool):
        return not default
    return default * 2 if isinstance(default, int) else default / 2 if default else 0.5


def _refused(check: Callable[[], object]) -> bool:
    try:
        check()
    except UsageError:
        return True
    return False


def _table(head: str, rows: Sequence[str], accepts: Callable[[str, str], bool]) -> str:
    """Return a Markdown table of `rows` and algorithms; a cell is "yes", or empty where a job is refused."""
    lines = [f"| {head} | {' | '.join(ALGORITHMS)} |", f"|---|{'---|' * len(ALGORITHMS)}"]
    for row in rows:
        cells = ("yes" if accepts(row, algorithm) else "" for algorithm in ALGORITHMS)
        lines.append(f"| {row} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()

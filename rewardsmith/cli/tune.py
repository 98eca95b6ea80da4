"""`tune`: choose the numbers of a reward file that declares PARAMS."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rewardsmith.cli import screen
from rewardsmith.cli.options import TaskOption


def register(app: typer.Typer) -> None:
    """Add `tune` to the application."""
    app.command()(tune)


def tune(
    reward: Annotated[Path, typer.Argument(help='Reward file with PARAMS = {"near": (0.01, 0.3)}.')],
    task: TaskOption,
    out: Annotated[Path, typer.Option(help="File to write the program with the chosen numbers to.")],
    trials: Annotated[int, typer.Option(min=1, help="Number of settings to check.")] = 20,
    layouts: Annotated[int, typer.Option(min=1, max=16, help="Number of layouts per check.")] = 4,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the search.")] = 0,
) -> None:
    """Choose the numbers of a reward file by the checks, without training.

    The checks and the predicted difficulty decide. No job is created and no environment step is trained.
    """
    from rewardsmith.errors import UsageError
    from rewardsmith.files import read_text
    from rewardsmith.offline.tune_reward import tune_reward

    if out.is_dir() or not out.absolute().parent.is_dir():
        raise UsageError(f"Cannot write {out}.", "Pass --out FILE in a folder that exists.")
    found = tune_reward(read_text(reward), task, trials, layouts, seed, screen.say)
    out.write_text(found.source, encoding="utf-8")
    chosen = ", ".join(f"{name} = {value:g}" for name, value in found.values.items())
    screen.say(f"{found.passed} of {found.tried} settings passed; chosen: {chosen}")
    screen.next_command(f"rewardsmith train --reward {out} --task {task}")

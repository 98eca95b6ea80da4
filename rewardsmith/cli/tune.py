"""`tune`: choose the numbers of a reward file that declares PARAMS."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rewardsmith.cli import screen
from rewardsmith.cli.options import TaskOption

_RACED = 4  # settings of the file of --race: few enough that each trains on a job's first rung


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
    race: Annotated[
        Path | None, typer.Option(help="File of the four best settings, for a job that trains them.")
    ] = None,
) -> None:
    """Choose the numbers of a reward file by the checks, without training.

    The checks and the predicted difficulty decide. No job is created and no environment step is trained. With --race
    the four best settings are written as a designer's answers. The job that the last line names trains them against
    each other on its rungs, and its claim counts all steps.
    """
    from rewardsmith.errors import UsageError
    from rewardsmith.files import read_text
    from rewardsmith.offline.tune_reward import tune_reward, write_race
    from rewardsmith.programs.reward_file import method_of

    for name, file in (("--out", out), ("--race", race or out)):
        if file.is_dir() or not file.absolute().parent.is_dir():
            raise UsageError(f"Cannot write {file}.", f"Pass {name} FILE in a folder that exists.")
    found = tune_reward(read_text(reward), task, trials, layouts, seed, screen.say)
    out.write_text(found.source, encoding="utf-8")
    chosen = ", ".join(f"{name} = {value:g}" for name, value in found.values.items())
    screen.say(f"{found.passed} of {found.tried} settings passed; chosen: {chosen}")
    if race is None:
        screen.next_command(f"rewardsmith train --reward {out} --task {task}")
        return
    raced = found.ranked[:_RACED]
    write_race(race, raced)
    screen.say(f"{len(raced)} settings in {race}, each a candidate of the job that trains them")
    designed = f"--method {method_of(found.source)} --designer-model listed:{race}"
    rounds = f"--iterations 1 --samples {len(raced)} --set repairs=0"
    screen.next_command(f"rewardsmith run --task {task} {designed} {rounds}")

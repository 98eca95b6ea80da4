"""`export` writes a reward as a folder of files; `verify` replays one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rewardsmith.cli import screen
from rewardsmith.cli.task_change import AcceptTaskChange


def register(app: typer.Typer) -> None:
    """Add `export` and `verify` to the application."""
    app.command()(export)
    app.command()(verify)


def export(
    what: Annotated[str, typer.Argument(help="A job, or a candidate (JOB-NAME).")] = "latest",
    best: Annotated[bool, typer.Option("--best", help="The job's best candidate (the default for a job).")] = False,
    out: Annotated[Path, typer.Option(help="Folder to write.")] = Path("exported"),
    policy: Annotated[
        str,
        typer.Option(help="auto: for Stable-Baselines3, and as ONNX if possible. onnx: require ONNX. none: leave out."),
    ] = "auto",
    with_cassette: Annotated[
        bool, typer.Option("--with-cassette", help="Include the job's language-model calls, for `run --replay`.")
    ] = False,
    force: Annotated[bool, typer.Option(help="Write into a folder that is not empty.")] = False,
    accept_change: AcceptTaskChange = False,
) -> None:
    """Export a reward as plain Python.

    The folder contains reward.py with a Gymnasium wrapper, a card, a report of the job for a browser, recorded
    transitions, and the trained policy for Stable-Baselines3. The policy is loaded from its file and played, and the
    card shows its success.
    """
    del best
    from rewardsmith import api

    written = api.export(
        what, out, policy=policy, with_cassette=with_cassette, force=force, accept_task_change=accept_change
    )
    for note in written.notes:
        screen.say(note)
    for path in written.files:
        screen.write(str(path))
    screen.next_command(f"rewardsmith verify {out}")


def verify(folder: Annotated[Path, typer.Argument(help="Folder written by `rewardsmith export`.")]) -> None:
    """Check an exported reward by replay.

    The recorded transitions are replayed in the sandbox, and every reward is compared exactly.
    """
    from rewardsmith.config import settings
    from rewardsmith.reporting.verify import verify_folder

    report = verify_folder(folder, settings().isolation)
    played = f"{report.transitions:,} transitions of {report.episodes} episodes"
    screen.write(f"{played}: every replayed reward matches the recorded one")
    screen.say(f"program {report.program_hash[:12]}, replayed at sandbox level {report.level}")

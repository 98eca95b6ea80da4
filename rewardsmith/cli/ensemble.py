"""`ensemble`: combine several programs into one that pays pessimistically."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rewardsmith.cli import screen


def register(app: typer.Typer) -> None:
    """Add `ensemble` to the application."""
    app.command()(ensemble)


def ensemble(
    members: Annotated[list[str], typer.Argument(help="Candidates (JOB-NAME) or reward files, at least two.")],
    out: Annotated[Path, typer.Option(help="File to write the program to.")],
    pay: Annotated[str, typer.Option(help="min, or pessimistic: mean less standard deviation.")] = "min",
) -> None:
    """Combine programs into one reward file that pays the smallest of their rewards.

    An exploit that only one program rewards then earns nothing. The file is checked and trained like any other.
    """
    from rewardsmith.errors import UsageError
    from rewardsmith.programs.ensemble import ensemble_of

    if pay not in ("min", "pessimistic"):
        raise UsageError(f"--pay {pay!r} is no way to combine rewards.", "Set --pay to min or pessimistic.")
    if out.is_dir() or not out.absolute().parent.is_dir():
        raise UsageError(f"Cannot write {out}.", "Pass --out FILE in a folder that exists.")
    source = ensemble_of([_source(name) for name in members], pay)
    out.write_text(source, encoding="utf-8")
    screen.say(
        f"{out} combines {len(members)} programs; it pays {'the smallest' if pay == 'min' else 'pessimistically'}."
    )
    screen.next_command(f"rewardsmith check {out} --task ID")


def _source(name: str) -> str:
    """Return the program of a candidate or in a file. Raises UsageError."""
    from rewardsmith.errors import UsageError
    from rewardsmith.files import read_text
    from rewardsmith.place import find_place
    from rewardsmith.reporting import queries
    from rewardsmith.storage.reads import open_reader

    if Path(name).suffix == ".py":
        try:
            return read_text(Path(name))
        except (OSError, ValueError) as error:
            raise UsageError(f"Cannot read {name}: {error}.", "Name a reward file or a candidate.") from error
    with open_reader(find_place().url) as connection:
        return queries.find_candidate(connection, name).source

"""`export` and `verify`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from rewardsmith.cli import screen
from rewardsmith.cli.task_change import AcceptTaskChange, settle_task


def register(app: typer.Typer) -> None:
    """Add this file's commands."""
    app.command()(export)
    app.command()(verify)


def export(
    what: Annotated[str, typer.Argument(help="A job, or a candidate (JOB-NAME).")] = "latest",
    best: Annotated[bool, typer.Option("--best", help="The job's best candidate (the default for a job).")] = False,
    out: Annotated[Path, typer.Option(help="Folder to write.")] = Path("exported"),
    with_cassette: Annotated[
        bool, typer.Option("--with-cassette", help="Add the job's language-model calls, to run it again offline.")
    ] = False,
    force: Annotated[bool, typer.Option(help="Write into a folder that has files.")] = False,
    accept_change: AcceptTaskChange = False,
) -> None:
    """Write the reward as plain Python, with a wrapper, a card, the policy and recorded transitions."""
    del best
    from rewardsmith import api
    from rewardsmith.reporting import queries
    from rewardsmith.reporting.export import export_candidate
    from rewardsmith.storage.database import read

    context = api.open_here(must_exist=True)
    with read(context.database) as connection:
        if queries.names_candidate(what):
            candidate = queries.find_candidate(connection, what)
        else:
            job = queries.find_job(connection, what)
            candidate = queries.find_candidate(connection, f"{job.id}-best")
    settle_task(context, candidate.job_id, accept_change)
    options: Any = {"files": _stored_files(context, candidate), "force": force, "isolation": context.settings.isolation}
    written = export_candidate(context.database, candidate, out, **options)
    if with_cassette:
        written.append(api.write_cassette(context, candidate.job_id, out / "cassette.jsonl"))
    for path in written:
        screen.write(str(path))
    screen.next_command(f"rewardsmith verify {out}")


def _stored_files(context: Any, candidate: Any) -> dict[str, bytes]:
    from rewardsmith.errors import StorageError
    from rewardsmith.reporting.export import stored_files

    try:
        return stored_files(context.database, candidate, context.store)
    except StorageError as error:
        # The reward itself is in the database; a laptop may have no way to the store.
        screen.say(f"exported without its policy: {error.cause}\n{error.remedy}")
        return {}


def verify(folder: Annotated[Path, typer.Argument(help="An exported folder.")]) -> None:
    """Replay the recorded transitions through the exported file and compare every reward exactly."""
    from rewardsmith.config import settings
    from rewardsmith.reporting.verify import verify_folder

    report = verify_folder(folder, settings().isolation)
    screen.write(f"{report.transitions:,} transitions of {report.episodes} episodes: every reward is equal")
    screen.say(f"program {report.program_hash[:12]}, replayed at protection level {report.level}")

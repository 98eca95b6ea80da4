"""`ui` and `report`: pages of jobs in a browser, and one file to mail."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rewardsmith.cli import screen


def register(app: typer.Typer) -> None:
    """Add `ui` and `report` to the application."""
    app.command()(ui)
    app.command()(report)


def ui(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 for a free one.")] = 8642,
    host: Annotated[
        str, typer.Option(help="Address to listen on. Other machines need the printed token.")
    ] = "127.0.0.1",
    allow_edit: Annotated[
        bool,
        typer.Option("--allow-edit", help="Allow comments, vetoes, forks, pause, resume and cancel, with a token."),
    ] = False,
) -> None:
    """Show jobs in a browser, live while they run.

    The pages are read-only unless --allow-edit is given. They need no network: every file comes from this package.
    """
    from rewardsmith.config import settings
    from rewardsmith.web.serving import serve

    serve(settings(), host, port, allow_edit, screen.say)


def report(
    job: Annotated[str, typer.Argument(help="Job id, a prefix of it, or latest.")] = "latest",
    out: Annotated[Path, typer.Option(help="File to write.")] = Path("report.html"),
) -> None:
    """Write a job as one HTML file to be mailed: at most 1 MB, opens from disk, fetches nothing."""
    from rewardsmith.config import settings
    from rewardsmith.pages.report import report_html
    from rewardsmith.reporting import queries
    from rewardsmith.storage.artifacts import ArtifactStore
    from rewardsmith.storage.database import open_database, read

    chosen = settings()
    with read(open_database(chosen.url, must_exist=True)) as connection:
        found = queries.find_job(connection, job)
        text = report_html(connection, ArtifactStore(chosen.store_url), found)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(text, encoding="utf-8")
    screen.write(str(out))
    screen.say(f"{len(text.encode()):,} bytes; open it in a browser, or mail it")

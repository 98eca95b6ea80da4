"""`ui` and `report`: pages of jobs in a browser, and one file to mail."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rewardsmith.cli import screen


def register(app: typer.Typer) -> None:
    """Add `ui`, `report` and `video` to the application."""
    for command in (ui, report, video):
        app.command()(command)


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


def video(
    job: Annotated[str, typer.Argument(help="Job id, a prefix of it, or latest.")] = "latest",
    out: Annotated[Path, typer.Option(help="Moving picture to write (.gif, .webp or animated .png).")] = Path(
        "video.gif"
    ),
    strip: Annotated[
        bool, typer.Option("--strip", help="Write a strip of stills for a paper instead, as a PNG.")
    ] = False,
) -> None:
    """Show a recorded episode of the best candidate beside one of the baseline, on the same layout if there is one.

    The environment is not needed: episodes are recorded while a job runs.
    """
    from rewardsmith.config import settings
    from rewardsmith.errors import require_train
    from rewardsmith.pages.players import episodes_of
    from rewardsmith.reporting import queries
    from rewardsmith.storage.artifacts import ArtifactStore
    from rewardsmith.storage.database import open_database, read

    require_train("A video")
    from rewardsmith.pages.film import beside_each_other, write_strip, write_video

    chosen = settings()
    store = ArtifactStore(chosen.store_url)
    with read(open_database(chosen.url, must_exist=True)) as connection:
        found = queries.find_job(connection, job)
        best = episodes_of(connection, store, found.best_candidate) if found.best_candidate else []
        shown = beside_each_other(best, episodes_of(connection, store, f"{found.id}-sparse"))
    if strip:
        write_strip(shown, out.with_suffix(".png"))
        screen.write(str(out.with_suffix(".png")))
        return
    frames = write_video(shown, out)
    screen.write(str(out))
    screen.say(f"{frames} frames, {out.stat().st_size:,} bytes")

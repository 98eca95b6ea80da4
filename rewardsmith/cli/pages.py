"""`ui` and `report`: pages of jobs in a browser, and one file to mail."""

from __future__ import annotations

from typing import Annotated

import typer

from rewardsmith.cli import screen


def register(app: typer.Typer) -> None:
    """Add `ui` to the application."""
    app.command()(ui)


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

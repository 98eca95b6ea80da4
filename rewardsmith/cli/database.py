"""`db upgrade` and `db current`."""

from __future__ import annotations

import typer

from rewardsmith.cli import screen

app = typer.Typer(help="The database and its version.", no_args_is_help=True)


@app.command()
def upgrade() -> None:
    """Bring the database to this program's version."""
    from sqlalchemy import create_engine

    from rewardsmith.config import settings
    from rewardsmith.storage.database import HEAD, open_database, reported
    from rewardsmith.storage.database import upgrade as run_migrations

    url = settings().url
    if url.startswith("sqlite"):
        open_database(url)
    else:
        with reported():
            run_migrations(create_engine(url))
    screen.say(f"the database is of version {HEAD}")


@app.command()
def current() -> None:
    """Print where the database is and its version."""
    from rewardsmith.config import settings
    from rewardsmith.storage.database import HEAD, open_database

    open_database(settings().url, migrate=False, must_exist=True)
    print(f"{settings().url} {HEAD}")

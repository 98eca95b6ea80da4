"""`db upgrade`, `db current`, `db backup` and `db gc`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rewardsmith.cli import screen
from rewardsmith.plaintext import one_line

app = typer.Typer(help="Upgrade, back up and clean up the database.", no_args_is_help=True)


@app.command()
def upgrade() -> None:
    """Migrate the database to the version of this program."""
    from sqlalchemy import create_engine

    from rewardsmith.config import settings
    from rewardsmith.storage.database import HEAD, open_database, refuse_newer, reported
    from rewardsmith.storage.database import upgrade as run_migrations

    url = settings().url
    if url.startswith("sqlite"):
        open_database(url)
    else:
        with reported():
            engine = create_engine(url)
            refuse_newer(engine)
            run_migrations(engine)
    screen.say(f"the database has version {HEAD}")


@app.command()
def current() -> None:
    """Print the URL and the version of the database."""
    from sqlalchemy.engine import make_url

    from rewardsmith.config import settings
    from rewardsmith.storage.database import HEAD, open_database

    url = settings().url
    open_database(url, migrate=False, must_exist=True)
    screen.write(f"{make_url(url).render_as_string(hide_password=True)} {HEAD}")


@app.command()
def backup(out: Annotated[Path, typer.Argument(help="File to write; it must not exist.")]) -> None:
    """Copy the database to a file.

    Jobs may run meanwhile. SQLite is copied by its backup function, Postgres by pg_dump.
    """
    from rewardsmith.config import settings
    from rewardsmith.storage.backup import back_up

    back_up(settings().url, out)
    screen.write(str(out))


@app.command()
def gc(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List the files without removing them.")] = False,
) -> None:
    """Remove files that no database row refers to.

    Files younger than an hour are kept.
    """
    from rewardsmith import starting
    from rewardsmith.storage.garbage import find_garbage, remove

    context = starting.open_here(must_exist=True)
    store = context.store
    found = find_garbage(context.database, context.settings.artifacts, store)
    for file in found:
        screen.write(one_line(f"{store.url}/{file.name}" if file.stored else file.name))
        if not dry_run:
            remove(file, store)
    size = sum(file.size for file in found) / 1e6
    screen.say(f"{len(found)} files, {size:.1f} MB {'would be removed' if dry_run else 'removed'}")
    if found and dry_run:
        screen.next_command("rewardsmith db gc")

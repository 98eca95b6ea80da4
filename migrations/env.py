"""Alembic's entry: migrates the connection it is handed, or the database of the settings."""

from alembic import context

from rewardsmith.storage import views
from rewardsmith.storage.schema import metadata


def _include(_object, name, type_, _reflected, _compare_to) -> bool:
    return not (type_ == "table" and name.startswith("v_"))


def _run(connection) -> None:
    context.configure(connection=connection, target_metadata=metadata, render_as_batch=True, include_object=_include)
    # Batch migrations rebuild tables, which views would keep from being dropped.
    for name in views.NAMES:
        connection.exec_driver_sql(f"DROP VIEW IF EXISTS {name}")
    with context.begin_transaction():
        context.run_migrations()
    # The views are those of the newest tables; a database left at an older revision goes without.
    if context.get_context().get_current_revision() == context.get_head_revision():
        for name, query in views.view_queries(connection.dialect.name).items():
            connection.exec_driver_sql(f"CREATE VIEW {name} AS {query}")


connection = context.config.attributes.get("connection")
if connection is not None:
    _run(connection)
else:
    from sqlalchemy import create_engine

    from rewardsmith.config import settings

    with create_engine(settings().url).begin() as own:
        _run(own)

"""A fixture that runs a test on SQLite and on Postgres, and an Alembic configuration for a connection."""

from __future__ import annotations

import pytest
from alembic.config import Config
from sqlalchemy import create_engine, text

from rewardsmith.errors import StorageError
from rewardsmith.storage.database import migrations_folder, open_database, upgrade


@pytest.fixture(params=["sqlite", "postgres"])
def url(request, tmp_path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/rewardsmith.db"
    address = request.getfixturevalue("postgres")
    engine = create_engine(address)
    with engine.begin() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
    with pytest.raises(StorageError, match="db upgrade"):
        open_database(address)
    upgrade(engine)
    return address


def config_for(connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(migrations_folder()))
    config.attributes["connection"] = connection
    return config

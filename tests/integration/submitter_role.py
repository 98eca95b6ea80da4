"""The documented submitter role on a real Postgres: fixtures for both sides, and helpers for plain SQL."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from service import Postgres
from sqlalchemy import Engine, make_url, text

from rewardsmith.config import Settings
from rewardsmith.engine.context import Context
from rewardsmith.spec import JobSpec
from rewardsmith.storage.database import open_database

DOCUMENT = Path(__file__).parents[2] / "docs" / "service.md"
GRANTS = re.findall(r"```sql\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)[0]
SPEC = {"task": "CartPole-v1", "method": "free", "confirm": 0, "steps": 1000}
PROGRAM = "def reward(prev, action, state, memory):\n    return {gain} * state.pole_angle\n"


@pytest.fixture
def owner(postgres_server: Postgres, tmp_path) -> Iterator[Context]:
    """A context with the owner's rights, on an empty database with the documented role."""
    postgres_server.empty()
    database = open_database(postgres_server.url)
    with database.begin() as connection:
        connection.execute(text("DROP ROLE IF EXISTS submitter"))
        for statement in GRANTS.strip().rstrip(";").split(";"):
            connection.execute(text(statement))
    yield Context(database, Settings(home=tmp_path / "worker"))
    with database.begin() as connection:
        connection.execute(text("DROP OWNED BY submitter"))
        connection.execute(text("DROP ROLE submitter"))
    database.dispose()


@pytest.fixture
def address(owner, postgres_server) -> str:
    """The database URL of the submitter role."""
    return make_url(postgres_server.url).set(username="submitter").render_as_string()


@pytest.fixture
def submitter(address, tmp_path) -> Iterator[Context]:
    database = open_database(address)
    yield Context(database, Settings(home=tmp_path / "laptop"))
    database.dispose()


def rows(engine: Engine, statement: str, **values: object) -> list[tuple]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(statement), values)]


def write(engine: Engine, statement: str, **values: object) -> None:
    with engine.begin() as connection:
        connection.execute(text(statement), values)


def one(engine: Engine, statement: str, **values: object) -> object:
    return rows(engine, statement, **values)[0][0]


def any_program(**changes: object) -> dict:
    return {"source": "x = 1", "hash": "0" * 64, "functions": ["reward"], "channels": [], **changes}


def any_spec(**changes: object) -> dict:
    return JobSpec(**SPEC).model_dump(mode="json") | changes


SUBMIT = (
    "SELECT rewardsmith_submit(CAST(:spec AS jsonb), repeat('0', 64), true, :owner, CAST(:priority AS integer), "
    "CAST(:slots AS integer), CAST(:program AS jsonb))"
)


def call_submit(
    submitter, spec: object = None, program: object = None, owner: str = "eve", priority=0, slots=None
) -> str:
    spec = spec if isinstance(spec, str) else json.dumps(any_spec() if spec is None else spec)
    values = {"spec": spec, "owner": owner, "priority": priority, "slots": slots}
    with submitter.database.begin() as connection:
        values["program"] = None if program is None else json.dumps(program)
        return connection.execute(text(SUBMIT), values).scalar_one()

"""The migration of `candidates.channels` to `candidates.reward`: its rows, views and unfinished jobs."""

from __future__ import annotations

import json

import pytest
from alembic import command
from both_databases import config_for
from running import in_process
from sqlalchemy import Engine, create_engine, text

from rewardsmith.config import Settings
from rewardsmith.engine.context import Context
from rewardsmith.engine.items import dispatch
from rewardsmith.engine.jobs import lifecycle
from rewardsmith.engine.jobs.advance import advance
from rewardsmith.programs.reward import SPARSE, TrainingReward
from rewardsmith.spec import JobSpec
from rewardsmith.storage import queue, records
from rewardsmith.storage.database import open_database, upgrade
from workers.local import LocalExecutor

BEFORE = "0006"
SOURCE = 'def reward(prev, action, state, memory):\n    return 0.5  # "quoted", \\ and \u00fc\n'
CHANNEL = (
    '{"name": "reward", "kind": "program", "weight": 0.5, "bound": "none", "limit": 10000.0, "gate": "none", '
    '"threshold": 0.0, "exponent": 1.0, "anneal": [0, 0], "budget": null, "mean": 0.0, "std": 1.0, "shift": 0.0}'
)
STORED = {
    "sparse": '{"source": "", "functions": [], "channels": []}',
    "1a": f'{{"source": {json.dumps(SOURCE)}, "functions": ["reward"], "channels": [{CHANNEL}]}}',
    "1b": "{}",
}
"""What the version before wrote of three candidates, the last of them no program."""


def migrate(engine: Engine, revision: str) -> None:
    with engine.begin() as connection:
        command.downgrade(config_for(connection), revision)


def open_again(engine: Engine) -> Engine:
    """The same database with this version's tables, opened as a user's command would."""
    if engine.dialect.name == "postgresql":
        upgrade(engine)
    return open_database(engine.url.render_as_string(hide_password=False))


@pytest.fixture
def earlier_database(url) -> Engine:
    """A database of the version before, with a finished job of three candidates."""
    engine = create_engine(url)
    open_database(url).dispose()
    migrate(engine, BEFORE)
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO jobs (id, task, method, fingerprint, spec, state, oracle_informed, created_at, "
                "active_seconds) VALUES ('old123', 'CartPole-v1', 'free', 'f', '{}', 'done', false, "
                "'2026-01-01 00:00:00', 1.5)"
            )
        )
        for name, stored in STORED.items():
            values = {"id": f"old123-{name}", "channels": stored, "source": json.loads(stored).get("source", "words")}
            connection.execute(
                text(
                    "INSERT INTO candidates (id, job_id, iteration, kind, move, sample, parents, source, source_hash, "
                    "channels, state, oracle_informed, created_at) VALUES (:id, 'old123', 1, 'designed', 'new', 0, "
                    "'[]', :source, 'h', :channels, 'passed', false, '2026-01-01 00:00:00')"
                ),
                values,
            )
    return engine


def test_rows_of_the_version_before_keep_their_reward_in_a_view(earlier_database):
    with open_again(earlier_database).connect() as connection:
        found = {c.id.removeprefix("old123-"): c for c in records.candidates_of(connection, "old123")}
        viewed = dict(connection.execute(text("SELECT id, channels FROM v_candidates")).all())
    stored = {name: json.loads(text) for name, text in STORED.items()}
    for name in ("sparse", "1a"):
        assert "source" not in found[name].reward and found[name].source == stored[name]["source"]
        reward = TrainingReward.from_stored(found[name].source, found[name].reward)
        assert reward == TrainingReward.from_dict(stored[name])
    assert found["1b"].reward == {}
    for name, expected in stored.items():
        seen = viewed[f"old123-{name}"]
        named_now = json.loads(json.dumps(expected).replace('"budget"', '"cap"'))
        assert (json.loads(seen) if isinstance(seen, str) else seen) == named_now


def test_a_downgrade_restores_the_rows_of_the_version_before(earlier_database):
    open_again(earlier_database).dispose()
    migrate(earlier_database, BEFORE)
    with earlier_database.connect() as connection:
        found = connection.execute(text("SELECT id, CAST(channels AS text) FROM candidates")).all()
    assert {name: json.loads(stored) for name, stored in found} == {
        f"old123-{name}": json.loads(stored) for name, stored in STORED.items()
    }


def test_unfinished_job_of_the_version_before_is_resumed(url, tmp_path):
    def shown() -> str:
        ran = in_process(tmp_path, "show", before.id, env={"REWARDSMITH_DATABASE_URL": url})
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    settings = Settings(home=tmp_path, database_url=url)
    context = Context(open_database(url), settings)
    spec = JobSpec.model_validate(
        {
            "task": "CartPole-v1", "method": "free", "confirm": 0, "samples": 1, "iterations": 1, "repairs": 0,
            "steps": 1000, "rungs": (1.0,), "verification": False,
            "training": {"eval_episodes": 10, "final_episodes": 10},
        }
    )  # fmt: skip
    job_id = lifecycle.create_job(context, spec)
    advance(context, job_id)
    for kind in ("design", "check"):
        item = queue.claim(context.database, queue.make_owner(), 60, job_id, [kind])
        assert item is not None
        dispatch.run_item(context, item.id, str(item.owner))
    with context.database.connect() as connection:
        (before,) = [c for c in records.candidates_of(connection, job_id) if c.kind == "designed"]
    context.database.dispose()
    output = shown()
    assert "reward: 1 * env + 1 * reward" in output
    migrate(create_engine(url), BEFORE)
    with create_engine(url).connect() as connection:
        asked = text("SELECT CAST(channels AS text) FROM candidates WHERE id = :id")
        stored = json.loads(connection.execute(asked, {"id": before.id}).scalar_one())
    assert (stored["source"], stored["functions"]) == (before.source, ["reward"])

    context = Context(open_again(create_engine(url)), settings)
    with context.database.connect() as connection:
        assert records.get_candidate(connection, before.id) == before
        sparse = records.get_candidate(connection, f"{job_id}-sparse")
    assert TrainingReward.from_stored(sparse.source, sparse.reward) == SPARSE
    assert shown() == output
    LocalExecutor(context, job_id, 2, None).run()
    with context.database.connect() as connection:
        job, (trial,) = records.get_job(connection, job_id), records.trials_of(connection, candidate_id=before.id)
    assert (job.state, job.best_candidate, trial.state) == ("done", before.id, "done")


@pytest.mark.parametrize("url", ["postgres"], indirect=True)
def test_submitters_functions_follow_the_column_up_and_down(url):
    def functions() -> dict[str, str]:
        with create_engine(url).connect() as connection:
            asked = "SELECT proname, prosrc || proacl::text FROM pg_proc WHERE proname LIKE 'rewardsmith%'"
            return dict(connection.execute(text(asked)).all())

    new = functions()
    assert not [name for name, body in new.items() if "source_hash, channels" in body or '"source"' in body]
    migrate(create_engine(url), BEFORE)
    earlier_database = functions()
    upgrade(create_engine(url))
    assert functions() == new
    changed = {name.removeprefix("rewardsmith_") for name in new if new[name] != earlier_database[name]}
    assert changed == {"check_program", "submit", "fork", "pause", "resume", "retry", "veto"}

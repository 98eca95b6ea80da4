"""The rights of the documented submitter role on a real Postgres, tried with the commands and with plain SQL."""

from __future__ import annotations

import json

import pytest
from running import in_process
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.exc import DBAPIError, ProgrammingError
from submitter_role import PROGRAM, SPEC, any_program, one, rows, write

from rewardsmith.config import Settings
from rewardsmith.engine.context import Context, open_context
from rewardsmith.engine.jobs import lifecycle, service, steering
from rewardsmith.engine.jobs.advance import advance
from rewardsmith.engine.search.snapshot import read_snapshot
from rewardsmith.errors import StorageError, UsageError
from rewardsmith.spec import JobSpec, read_spec
from rewardsmith.storage.database import open_database, read, upgrade


@pytest.fixture
def submitter_command(address, tmp_path):
    """Runs `rewardsmith` with the submitter's database URL."""
    (tmp_path / "spec.yaml").write_text(json.dumps(SPEC))

    def run(*arguments: str):
        ran = in_process(tmp_path, *arguments, env={"REWARDSMITH_DATABASE_URL": address})
        assert ran.returncode == 0, ran.stderr
        return ran

    return run


def test_every_command_of_a_submitter_works_from_the_command_line(submitter_command, owner, tmp_path):
    (tmp_path / "seed.py").write_text(PROGRAM.format(gain=1.0))
    job = submitter_command(
        "submit", "spec.yaml", "--seed-reward", "seed.py", "--owner", "ada", "--priority", "3"
    ).stdout.strip()
    listed = json.loads(submitter_command("ls", "--format", "json").stdout)
    assert [(row["job"], row["state"], row["owner"], row["priority"]) for row in listed] == [(job, "running", "ada", 3)]
    submitter_command("pause", job)
    assert one(owner.database, "SELECT state FROM jobs") == "paused"
    submitter_command("resume", job)
    submitter_command("priority", job, "7")
    assert rows(owner.database, "SELECT state, priority FROM jobs") == [("running", 7)]
    submitter_command("comment", job, "it tips to the left")
    assert rows(owner.database, "SELECT iteration, text FROM comments") == [(2, "it tips to the left")]
    (tmp_path / "own.py").write_text(PROGRAM.format(gain=2.0))
    submitter_command("fork", f"{job}-1seed", "--program", "own.py")
    forked = "SELECT id, kind, parents, state FROM candidates WHERE kind = 'forked'"
    assert rows(owner.database, forked) == [(f"{job}-2user1", "forked", [f"{job}-1seed"], "designed")]
    submitter_command("veto", f"{job}-1seed")
    assert one(owner.database, "SELECT state FROM candidates WHERE kind = 'seeded'") == "vetoed"
    write(owner.database, "UPDATE work_items SET state = 'lost' WHERE kind = 'baseline'")
    assert "1 lost work items" in submitter_command("retry", job).stderr
    assert one(owner.database, "SELECT state FROM work_items WHERE kind = 'baseline'") == "queued"
    submitter_command("cancel", job)
    assert one(owner.database, "SELECT state FROM jobs") == "cancelled"
    assert rows(owner.database, "SELECT state FROM work_items WHERE state <> 'cancelled'") == []
    kinds = [kind for (kind,) in rows(owner.database, "SELECT kind FROM events WHERE owner = 'submitter' ORDER BY id")]
    assert kinds == ["submitted", "paused", "resumed", "priority", "forked", "vetoed", "retried", "cancelled"]


CALM = {"task": "MiniGrid-Empty-5x5-v0", "method": "calm", "confirm": 0, "steps": 4096}


@pytest.mark.parametrize(
    ("options", "program"),
    [
        ({}, None),
        ({"samples": 5, "seed": 7, "model": "openai/gpt-4o"}, None),
        ({}, PROGRAM.format(gain=0.5)),
        ({"model": "none", "iterations": 1, "samples": 1}, PROGRAM.format(gain=0.5)),
        ({"method": "rnd"}, None),
    ],
    ids=str,
)
def test_a_job_begins_as_it_does_on_sqlite(owner, submitter, tmp_path, options, program):
    spec = read_spec({**SPEC, **options})
    here = open_context(Settings(home=tmp_path / "file"))
    names = {service.submit_job(context, spec, program, owner="ada", slots=2): context for context in (submitter, here)}
    found = []
    for job, context in names.items():
        reading = owner if context is submitter else context
        assert advance(reading, job) == 0, "something was left to decide"
        with read(reading.database) as connection:
            seen = read_snapshot(connection, job)
        drop = {"id", "job_id", "created_at"}
        plain = [
            {k: v for k, v in vars(seen.job).items() if k not in drop},
            [vars(i) | {"job_id": ""} for i in seen.iterations],
            [{k: v for k, v in vars(c).items() if k not in drop} for c in seen.candidates],
            [(*vars(i.key).values(), i.state, i.attempt, i.payload) for i in seen.items],
            [c.id for c in seen.candidates],
        ]
        found.append(json.loads(json.dumps(plain, default=str).replace(job, "job")))
    assert found[0] == found[1]


# Writes that would obtain a worker's key, mark a program as checked, or name a file.
FORBIDDEN = [
    "UPDATE jobs SET service = NOT service",
    "UPDATE jobs SET spec = '{}'",
    "UPDATE jobs SET best_candidate = 'x'",
    'UPDATE work_items SET payload = \'{"reply": "/etc/cron.d/x"}\'',
    "UPDATE work_items SET result = '{}', state = 'done'",
    "UPDATE candidates SET source = '', state = 'passed'",
    "INSERT INTO jobs SELECT 'copied', task, method, fingerprint, spec, state FROM jobs",
    "INSERT INTO candidates SELECT '../../x' FROM candidates",
    "INSERT INTO iterations SELECT job_id, 9, 'running', NULL FROM iterations",
    "INSERT INTO work_items (job_id, iteration, kind, candidate) SELECT id, 1, 'ask', '' FROM jobs",
    "INSERT INTO llm_calls SELECT * FROM llm_calls",
    "INSERT INTO artifacts SELECT * FROM artifacts",
    "INSERT INTO checks SELECT * FROM checks",
    "INSERT INTO trials SELECT * FROM trials",
    "INSERT INTO comments SELECT * FROM comments",
    "INSERT INTO events SELECT * FROM events",
    "INSERT INTO workers SELECT * FROM workers",
    "DELETE FROM jobs",
    "TRUNCATE work_items",
    "UPDATE alembic_version SET version_num = '9999'",
    "SELECT id FROM jobs FOR UPDATE",
    "CREATE TABLE public.v_costs2 (id integer)",
    "CREATE FUNCTION public.timezone(text, timestamptz) RETURNS timestamp LANGUAGE sql AS 'SELECT now()::timestamp'",
    "SELECT rewardsmith_note('done', 'x', 'y')",
    "SELECT nextval('jobs_id_seq')",
]


@pytest.mark.parametrize("statement", FORBIDDEN)
def test_the_role_writes_no_table(submitter, statement):
    service.submit_job(submitter, JobSpec(**SPEC))
    with pytest.raises(ProgrammingError, match=r"permission denied|does not exist|must be owner"):
        write(submitter.database, statement)


def test_the_role_has_no_right_to_write_any_table(owner):
    granted = "SELECT privilege_type FROM information_schema.role_table_grants WHERE grantee = 'submitter'"
    assert set(rows(owner.database, granted)) == {("SELECT",)}
    columns = "SELECT privilege_type FROM information_schema.role_column_grants WHERE grantee = 'submitter'"
    assert set(rows(owner.database, columns)) <= {("SELECT",)}


def test_functions_fix_their_search_path_and_are_not_public(owner):
    found = rows(
        owner.database,
        "SELECT proname, prosecdef, proconfig, has_function_privilege('pg_monitor', oid, 'EXECUTE'), "
        "has_function_privilege('submitter', oid, 'EXECUTE') FROM pg_proc WHERE proname LIKE 'rewardsmith%'",
    )
    assert len(found) == 14
    for name, definer, config, everybody, granted in found:
        assert config == ["search_path=public, pg_temp"], name
        assert not everybody and granted == definer, name


def test_a_table_of_the_caller_does_not_shadow_the_service_s(owner, submitter):
    job = service.submit_job(submitter, JobSpec(**SPEC))
    with submitter.database.begin() as connection:
        connection.execute(text("CREATE TEMPORARY TABLE jobs AS SELECT * FROM public.jobs"))
        connection.execute(text("SET search_path = pg_temp, public"))
        connection.execute(text("SELECT rewardsmith_cancel(:job)"), {"job": job})
    assert one(owner.database, "SELECT state FROM jobs") == "cancelled"


def test_the_role_cannot_touch_a_local_job(owner, submitter):
    job = lifecycle.create_job(owner, JobSpec(**SPEC))
    calls = (
        "pause(:job, NULL)",
        "resume(:job)",
        "cancel(:job)",
        "priority(:job, 1)",
        "retry(:job)",
        "comment(:job, 'x')",
    )
    for call in calls:
        with pytest.raises(DBAPIError, match="was not submitted"):
            write(submitter.database, f"SELECT rewardsmith_{call}", job=job)
    with pytest.raises(DBAPIError, match="was not submitted"):
        write(submitter.database, "SELECT rewardsmith_fork(:parent, CAST(:program AS jsonb))",
              parent=f"{job}-sparse", program=json.dumps(any_program()))  # fmt: skip
    assert rows(owner.database, "SELECT state, priority FROM jobs") == [("running", 0)]


def test_a_role_without_a_function_is_referred_to_the_documentation(owner, submitter):
    write(owner.database, "REVOKE EXECUTE ON FUNCTION rewardsmith_submit FROM submitter")
    with pytest.raises(StorageError, match="may not submit") as caught:
        service.submit_job(submitter, JobSpec(**SPEC))
    assert "docs/service.md" in caught.value.remedy


def test_commands_for_an_ended_job_are_refused_with_the_reason(owner, submitter):
    job = service.submit_job(submitter, JobSpec(**SPEC))
    lifecycle.cancel_job(submitter, job)
    with pytest.raises(UsageError, match="ended already"):
        lifecycle.cancel_job(submitter, job)
    with pytest.raises(UsageError, match="no lost items"):
        service.retry_job(submitter, job)


def test_a_veto_makes_no_untrained_candidate_the_best(owner, submitter):
    job = service.submit_job(submitter, JobSpec(**SPEC), PROGRAM.format(gain=1.0))
    write(owner.database, "UPDATE jobs SET best_candidate = :best", best=f"{job}-1seed")
    for claimed in (f"{job}-sparse", f"{job}-1seed", "other-1a", "../x"):
        with pytest.raises(DBAPIError, match="no trained candidate"):
            write(submitter.database, "SELECT rewardsmith_veto(:it, :best)", it=f"{job}-1seed", best=claimed)
    steering.veto(submitter, f"{job}-1seed")
    assert one(owner.database, "SELECT best_candidate FROM jobs") is None


def test_upgrade_replaces_table_rights_by_functions(postgres_server):
    from alembic import command
    from test_databases import config_for

    postgres_server.empty(migrate=False)
    engine = create_engine(postgres_server.url)
    with engine.begin() as connection:
        command.upgrade(config_for(connection), "0004")
        for role in ("earlier", "worker"):
            connection.execute(text(f"DROP ROLE IF EXISTS {role}"))
            connection.execute(text(f"CREATE ROLE {role} LOGIN"))
        connection.execute(text("GRANT USAGE ON SCHEMA public TO earlier"))
        connection.execute(text("GRANT SELECT ON ALL TABLES IN SCHEMA public TO earlier"))
        written = "jobs, candidates, iterations, work_items, comments, events"
        connection.execute(text(f"GRANT INSERT, UPDATE ON {written} TO earlier"))
        connection.execute(text("GRANT ALL ON ALL TABLES IN SCHEMA public TO worker"))
    try:
        upgrade(engine)
        tables = written.split(", ")
        rights = "SELECT has_table_privilege(:role, :it, 'INSERT'), has_table_privilege(:role, :it, 'UPDATE')"
        assert {rows(engine, rights, role="earlier", it=table)[0] for table in tables} == {(False, False)}
        assert {rows(engine, rights, role="worker", it=table)[0] for table in tables} == {(True, True)}
        database = open_database(make_url(postgres_server.url).set(username="earlier").render_as_string())
        context = Context(database, Settings())
        job = service.submit_job(context, JobSpec(**SPEC))
        service.halt_job(context, job)  # reads a view, which the upgrade recreated
        assert one(engine, "SELECT state FROM jobs") == "paused"
        database.dispose()
    finally:
        with engine.begin() as connection:
            for role in ("earlier", "worker"):
                connection.execute(text(f"DROP OWNED BY {role}"))
                connection.execute(text(f"DROP ROLE {role}"))
        engine.dispose()


def test_a_command_beyond_the_role_is_refused_with_the_reason(owner, submitter, address, tmp_path):
    job = service.submit_job(submitter, JobSpec(**SPEC))
    ran = in_process(tmp_path, "extend", job, env={"REWARDSMITH_DATABASE_URL": address})
    assert ran.returncode == 1 and "lacks a permission: permission denied" in ran.stderr
    assert "docs/service.md" in ran.stderr and "bug in rewardsmith" not in ran.stderr

"""functions by which a submitter's role, which may write no table, submits jobs and steers them (Postgres only)

Revision: 0005, after 0004

They run with the rights of whoever migrates (SECURITY DEFINER), so each names its search_path, with temporary tables
last, touches submitted jobs alone, and takes nothing that becomes a path, a setting of a worker, or a state.
"""
from alembic import op


revision = '0005'
down_revision = '0004'
branch_labels = None
depends_on = None

# (name, parameters, result, open to submitters, body). The others are called by those that are.
_LOCK = """
DECLARE
  is_submitted boolean;
  now_state text;
BEGIN
  SELECT service, state INTO is_submitted, now_state FROM jobs WHERE id = wanted FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    RAISE EXCEPTION USING MESSAGE = 'There is no job ' || coalesce(wanted, '') || '.', HINT = 'See `rewardsmith ls`.';
  ELSIF NOT is_submitted THEN
    RAISE EXCEPTION USING MESSAGE = 'Job ' || wanted || ' was not submitted.',
      HINT = 'Only whoever runs it where it was started can steer it.';
  ELSIF unfinished AND now_state NOT IN ('running', 'paused') THEN
    RAISE EXCEPTION USING MESSAGE = 'Job ' || wanted || ' has ended already (' || now_state || ').',
      HINT = 'See `rewardsmith show ' || wanted || '`.';
  END IF;
  RETURN now_state;
END
"""

# Whose role it was, which nobody can choose; `owner` of a job is a label.
_NOTE = """
BEGIN
  INSERT INTO events (at, kind, job_id, owner, text)
  VALUES (timezone('utc', clock_timestamp()), what, job, session_user, left(words, 200));
END
"""

# A number of hundreds of digits, or nesting of thousands of levels, would end whoever reads the row.
_CHECK_JSON = """
BEGIN
  IF asked IS NULL OR jsonb_typeof(asked) <> wanted OR length(asked::text) > most
      OR asked @? '$.**{8}' OR asked::text ~ '[0-9]{40}' THEN
    RAISE EXCEPTION USING MESSAGE = what || ' are too long, nested too deeply, or no ' || wanted || '.',
      HINT = 'Submit with `rewardsmith submit`.';
  END IF;
END
"""

_CHECK_PROGRAM = """
BEGIN
  IF jsonb_typeof(program) IS DISTINCT FROM 'object'
      OR jsonb_typeof(program -> 'source') IS DISTINCT FROM 'string'
      OR length(program ->> 'source') > 200000
      OR coalesce(program ->> 'hash', '') !~ '^[0-9a-f]{64}$' THEN
    RAISE EXCEPTION USING MESSAGE = 'The program is no text of at most 200,000 characters with its hash.',
      HINT = 'Give it to `rewardsmith submit --seed-reward` or `rewardsmith fork`.';
  END IF;
  PERFORM rewardsmith_check_json(program -> 'functions', 'array', 10000, 'The names of its functions');
  PERFORM rewardsmith_check_json(program -> 'channels', 'array', 65536, 'The program''s channels');
  RETURN json_build_object('source', program ->> 'source', 'functions', program -> 'functions',
                           'channels', program -> 'channels');
END
"""

# programs.reward.SPARSE, the reward of every baseline; a test compares.
_SPARSE_HASH = 'b43b066907685dde7a31e2a70cb29e171e490110c47130c87a4ab01312af2b7d'
_SPARSE = (
    '{"source": "", "functions": [], "channels": [{"name": "env", "kind": "env", "weight": 1.0, "bound": "none", '
    '"limit": 10000.0, "gate": "none", "threshold": 0.0, "exponent": 1.0, "anneal": [0, 0], "budget": null, '
    '"mean": 0.0, "std": 1.0, "shift": 0.0}]}'
)

_SUBMIT = f"""
DECLARE
  alphabet constant text := 'abcdefghjkmnpqrstuvwxyz23456789';
  moment timestamp := timezone('utc', clock_timestamp());
  samples integer;
  first_seed integer;
  designs integer;
  reward json;
  job text;
BEGIN
  PERFORM rewardsmith_check_json(asked, 'object', 65536, 'The job''s settings');
  IF coalesce(asked ->> 'samples', '') !~ '^[0-9]{{1,2}}$' OR coalesce(asked ->> 'seed', '') !~ '^[0-9]{{1,8}}$'
      OR coalesce(asked ->> 'task', '') = '' OR coalesce(asked ->> 'method', '') = ''
      OR length(asked ->> 'task') > 200 OR length(asked ->> 'method') > 40
      OR coalesce(fingerprint, '') !~ '^[0-9a-f]{{64}}$' THEN
    RAISE EXCEPTION USING MESSAGE = 'The job''s settings lack a task, a method, samples (to 64) or a seed (to 20,000,000).',
      HINT = 'Submit with `rewardsmith submit`.';
  END IF;
  samples := (asked ->> 'samples')::integer;
  first_seed := (asked ->> 'seed')::integer;
  IF samples NOT BETWEEN 1 AND 64 OR first_seed > 20000000 OR slots < 1
      OR length(owner) > 80 OR owner ~ '[[:cntrl:]]' OR owner IS NULL OR priority IS NULL THEN
    RAISE EXCEPTION USING MESSAGE = 'An owner has at most 80 characters, samples go to 64, a seed to 20,000,000.',
      HINT = 'Change what is too large.';
  END IF;
  IF program IS NOT NULL THEN
    reward := rewardsmith_check_program(program);
  END IF;
  LOOP
    SELECT string_agg(substr(alphabet, 1 + floor(random() * length(alphabet))::integer, 1), '') INTO job
    FROM generate_series(1, 6);
    EXIT WHEN NOT EXISTS (SELECT 1 FROM jobs WHERE id = job);
  END LOOP;
  INSERT INTO jobs (id, task, method, fingerprint, spec, state, oracle_informed, created_at, active_seconds,
                    owner, service, priority, slots)
  VALUES (job, asked ->> 'task', asked ->> 'method', fingerprint, asked::json, 'running',
          coalesce(oracle_informed, true), moment, 0, owner, true, priority, slots);
  INSERT INTO iterations (job_id, number, state) VALUES (job, 1, 'running');
  INSERT INTO candidates (id, job_id, iteration, kind, move, sample, parents, source, source_hash, channels, state,
                          oracle_informed, created_at)
  VALUES (job || '-sparse', job, 0, 'baseline', 'baseline', 0, '[]', '', '{_SPARSE_HASH}', '{_SPARSE}', 'passed',
          false, moment);
  INSERT INTO work_items (job_id, iteration, kind, candidate, seed, rung, sample, state, attempt, payload, created_at)
  VALUES (job, 0, 'baseline', job || '-sparse', first_seed * 100, -1, -1, 'queued', 0, '{{}}', moment);
  IF program IS NOT NULL THEN
    INSERT INTO candidates (id, job_id, iteration, kind, move, sample, parents, source, source_hash, channels, state,
                            oracle_informed, created_at)
    VALUES (job || '-1seed', job, 1, 'seeded', 'new', samples, '[]', program ->> 'source', program ->> 'hash', reward,
            'designed', coalesce((program ->> 'oracle_informed')::boolean, true), moment);
  END IF;
  -- What decides of a new job would decide: a given reward that nothing is designed beside is checked at once.
  IF program IS NULL OR (coalesce(asked ->> 'designs', 'true') = 'true' AND asked ->> 'model' IS DISTINCT FROM 'none')
  THEN
    INSERT INTO work_items (job_id, iteration, kind, candidate, seed, rung, sample, state, attempt, payload, created_at)
    SELECT job, 1, 'design', '', -1, -1, k, 'queued', 0, '{{"move": "new", "parents": []}}', moment
    FROM generate_series(0, samples - 1) AS k;
  ELSE
    INSERT INTO work_items (job_id, iteration, kind, candidate, seed, rung, sample, state, attempt, payload, created_at)
    VALUES (job, 1, 'check', job || '-1seed', -1, -1, samples, 'queued', 0, '{{}}', moment);
  END IF;
  PERFORM rewardsmith_note('submitted', job, 'for ' || owner);
  RETURN job;
END
"""

# Of the candidates that have results, none else: the choice is the caller's.
_BEST = """
BEGIN
  IF best IS NOT NULL AND NOT EXISTS (
    SELECT 1 FROM candidates c JOIN work_items w ON w.candidate = c.id AND w.job_id = c.job_id
    WHERE c.id = best AND c.job_id = job AND c.kind <> 'baseline' AND c.state <> 'vetoed'
      AND w.kind = 'train' AND w.state = 'done') THEN
    RAISE EXCEPTION USING MESSAGE = best || ' is no trained candidate of job ' || job || '.',
      HINT = 'See `rewardsmith show ' || job || '`.';
  END IF;
END
"""

_PAUSE = """
BEGIN
  IF rewardsmith_lock_job(job, true) <> 'running' THEN
    RETURN;
  END IF;
  PERFORM rewardsmith_check_best(job, best);
  UPDATE jobs SET state = 'paused', note = 'Paused by its owner.', best_candidate = coalesce(best, best_candidate)
  WHERE id = job;
  UPDATE work_items
  SET state = 'queued', attempt = attempt - 1, owner = NULL, lease_expires = NULL, hinted_at = NULL
  WHERE job_id = job AND state = 'leased' AND kind IN ('baseline', 'train', 'confirm');
  PERFORM rewardsmith_note('paused', job, 'Paused by its owner.');
END
"""

_RESUME = """
BEGIN
  IF rewardsmith_lock_job(job, true) <> 'paused' THEN
    RETURN;
  END IF;
  UPDATE jobs SET state = 'running', note = NULL, finished_at = NULL, charged_at = NULL WHERE id = job;
  UPDATE work_items SET hinted_at = NULL WHERE job_id = job AND state = 'queued';
  PERFORM rewardsmith_note('resumed', job, NULL);
END
"""

_CANCEL = """
DECLARE
  moment timestamp := timezone('utc', clock_timestamp());
BEGIN
  PERFORM rewardsmith_lock_job(job, true);
  UPDATE work_items SET state = 'cancelled', finished_at = moment, owner = NULL
  WHERE job_id = job AND state IN ('queued', 'leased', 'waiting');
  UPDATE jobs SET state = 'cancelled', note = 'cancelled by the user', finished_at = moment WHERE id = job;
  PERFORM rewardsmith_note('cancelled', job, NULL);
END
"""

_PRIORITY = """
BEGIN
  PERFORM rewardsmith_lock_job(job, false);
  UPDATE jobs SET priority = number WHERE id = job;
  PERFORM rewardsmith_note('priority', job, number::text);
END
"""

_RETRY = """
DECLARE
  lost integer;
BEGIN
  PERFORM rewardsmith_lock_job(job, false);
  UPDATE candidates c SET state = CASE WHEN w.kind = 'check' THEN 'designed' ELSE 'passed' END, cause_of_death = NULL
  FROM work_items w
  WHERE w.job_id = job AND w.state = 'lost' AND w.kind IN ('check', 'train')
    AND c.id = w.candidate AND c.job_id = job AND c.kind <> 'baseline';
  UPDATE work_items SET state = 'queued', attempt = 0, owner = NULL, error = NULL, hinted_at = NULL
  WHERE job_id = job AND state = 'lost';
  GET DIAGNOSTICS lost = ROW_COUNT;
  IF lost = 0 THEN
    RAISE EXCEPTION USING MESSAGE = 'Job ' || job || ' has no lost items.', HINT = 'See `rewardsmith show ' || job || '`.';
  END IF;
  UPDATE jobs SET state = 'running', note = NULL, finished_at = NULL, charged_at = NULL WHERE id = job;
  PERFORM rewardsmith_note('retried', job, lost || ' lost items');
  RETURN lost;
END
"""

_VETO = """
DECLARE
  job text;
  candidate_kind text;
BEGIN
  SELECT c.job_id, c.kind INTO job, candidate_kind FROM candidates c WHERE c.id = wanted;
  IF NOT FOUND THEN
    RAISE EXCEPTION USING MESSAGE = 'There is no candidate ' || coalesce(wanted, '') || '.', HINT = 'See `rewardsmith tree`.';
  ELSIF candidate_kind = 'baseline' THEN
    RAISE EXCEPTION USING MESSAGE = wanted || ' is the baseline.', HINT = 'Veto a designed candidate.';
  END IF;
  PERFORM rewardsmith_lock_job(job, false);
  UPDATE work_items SET state = 'cancelled', finished_at = timezone('utc', clock_timestamp()), owner = NULL
  WHERE job_id = job AND candidate = wanted AND state IN ('queued', 'leased', 'waiting');
  UPDATE candidates SET state = 'vetoed', cause_of_death = 'vetoed by the user' WHERE id = wanted;
  PERFORM rewardsmith_check_best(job, best);
  UPDATE jobs SET best_candidate = best WHERE id = job AND best_candidate = wanted;
  PERFORM rewardsmith_note('vetoed', job, wanted);
END
"""

_FORK = """
DECLARE
  parent record;
  reward json := rewardsmith_check_program(program);
  number integer;
  place integer;
  forks integer;
  name text;
BEGIN
  SELECT * INTO parent FROM candidates WHERE id = wanted;
  IF NOT FOUND THEN
    RAISE EXCEPTION USING MESSAGE = 'There is no candidate ' || coalesce(wanted, '') || '.', HINT = 'See `rewardsmith tree`.';
  ELSIF parent.source_hash = program ->> 'hash' THEN
    RAISE EXCEPTION USING MESSAGE = 'The program is the same as ' || wanted || '.', HINT = 'Change it, or leave it as it is.';
  END IF;
  PERFORM rewardsmith_lock_job(parent.job_id, false);
  SELECT coalesce(max(i.number), 0) + 1 INTO number FROM iterations i WHERE i.job_id = parent.job_id;
  SELECT greatest(max(c.sample), (j.spec ->> 'samples')::integer - 1) + 1, count(*) FILTER (WHERE c.kind = 'forked')
  INTO place, forks
  FROM jobs j LEFT JOIN candidates c ON c.job_id = j.id AND c.iteration = number
  WHERE j.id = parent.job_id GROUP BY j.spec ->> 'samples';
  IF forks >= 64 THEN
    RAISE EXCEPTION USING MESSAGE = 'Round ' || number || ' has 64 programs of people already.', HINT = 'Wait for it.';
  END IF;
  name := parent.job_id || '-' || number || 'user' || forks + 1;
  INSERT INTO candidates (id, job_id, iteration, kind, move, sample, parents, source, source_hash, channels, state,
                          oracle_informed, created_at)
  VALUES (name, parent.job_id, number, 'forked', 'fork', place,
          CASE WHEN parent.kind = 'baseline' THEN '[]'::json ELSE json_build_array(wanted) END,
          program ->> 'source', program ->> 'hash', reward, 'designed', parent.oracle_informed,
          timezone('utc', clock_timestamp()));
  PERFORM rewardsmith_note('forked', parent.job_id, name);
  RETURN name;
END
"""

_COMMENT = """
DECLARE
  number integer;
BEGIN
  PERFORM rewardsmith_lock_job(job, false);
  IF words IS NULL OR length(words) NOT BETWEEN 1 AND 4000 THEN
    RAISE EXCEPTION USING MESSAGE = 'A comment has 1 to 4,000 characters.', HINT = 'Say it more briefly.';
  END IF;
  SELECT coalesce(max(i.number), 0) + 1 INTO number FROM iterations i WHERE i.job_id = job;
  INSERT INTO comments (job_id, iteration, text, created_at)
  VALUES (job, number, words, timezone('utc', clock_timestamp()));
  RETURN number;
END
"""

_FUNCTIONS = (
    ('lock_job', 'wanted text, unfinished boolean', 'text', _LOCK),
    ('note', 'what text, job text, words text', 'void', _NOTE),
    ('check_json', 'asked jsonb, wanted text, most integer, what text', 'void', _CHECK_JSON),
    ('check_program', 'program jsonb', 'json', _CHECK_PROGRAM),
    ('check_best', 'job text, best text', 'void', _BEST),
    ('submit', 'asked jsonb, fingerprint text, oracle_informed boolean, owner text, priority integer, slots integer, '
     'program jsonb', 'text', _SUBMIT),
    ('pause', 'job text, best text', 'void', _PAUSE),
    ('resume', 'job text', 'void', _RESUME),
    ('cancel', 'job text', 'void', _CANCEL),
    ('priority', 'job text, number integer', 'void', _PRIORITY),
    ('retry', 'job text', 'integer', _RETRY),
    ('veto', 'wanted text, best text', 'void', _VETO),
    ('fork', 'wanted text, program jsonb', 'text', _FORK),
    ('comment', 'job text, words text', 'integer', _COMMENT),
)
_INNER = ('lock_job', 'note', 'check_json', 'check_program', 'check_best')


def _types(parameters: str) -> str:
    return ', '.join(part.split()[-1] for part in parameters.split(','))


# Roles that the documentation of earlier versions set up: they write jobs, and no results.
_EARLIER = """
SELECT DISTINCT grantee FROM information_schema.role_table_grants
WHERE table_schema = current_schema() AND table_name = 'jobs' AND privilege_type IN ('INSERT', 'UPDATE')
  AND grantee <> 'PUBLIC' AND NOT has_table_privilege(grantee, 'trials', 'INSERT')
"""


def upgrade() -> None:
    bind = op.get_bind()
    if bind.dialect.name != 'postgresql':
        return
    schema = bind.dialect.identifier_preparer.quote(bind.exec_driver_sql('SELECT current_schema()').scalar())
    for name, parameters, result, body in _FUNCTIONS:
        security = 'INVOKER' if name in _INNER else 'DEFINER'
        # A variable and a column of one name: the parameter is meant, and columns are written with their table.
        bind.exec_driver_sql(
            f"CREATE FUNCTION {schema}.rewardsmith_{name}({parameters}) RETURNS {result} LANGUAGE plpgsql "
            f"SECURITY {security} SET search_path = {schema}, pg_temp "
            f"AS $body$\n#variable_conflict use_column\n{body}$body$"
        )
        bind.exec_driver_sql(f"REVOKE ALL ON FUNCTION {schema}.rewardsmith_{name}({_types(parameters)}) FROM PUBLIC")
    for (role,) in bind.exec_driver_sql(_EARLIER).fetchall():
        named = bind.dialect.identifier_preparer.quote(role)
        bind.exec_driver_sql(
            f"REVOKE INSERT, UPDATE ON jobs, candidates, iterations, work_items, comments, events FROM {named}"
        )
        # The views are made anew after every migration.
        bind.exec_driver_sql(f"ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT SELECT ON TABLES TO {named}")
        for name in (name for name, *_ in _FUNCTIONS if name not in _INNER):
            bind.exec_driver_sql(f"GRANT EXECUTE ON FUNCTION {schema}.rewardsmith_{name} TO {named}")


def downgrade() -> None:
    bind = op.get_bind()
    if bind.dialect.name != 'postgresql':
        return
    for name, parameters, _, _ in reversed(_FUNCTIONS):
        bind.exec_driver_sql(f"DROP FUNCTION rewardsmith_{name}({_types(parameters)})")

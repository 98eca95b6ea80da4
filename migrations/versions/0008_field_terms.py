"""the field's terms: verdicts, labels, states, columns, and settings in stored jobs

Revision: 0008, after 0007

Stored JSON is rewritten: a job's spec, a candidate's reward and adjustment, a check's details, a diagnosis, the result of
a training. Messages keep their wording, except for the verdicts and labels in them.
"""
import json
import re

import sqlalchemy as sa
from alembic import op


revision = '0008'
down_revision = '0007'
branch_labels = None
depends_on = None

# (table, its name at 0007, its name now)
_COLUMNS = (
    ('candidates', 'cause_of_death', 'rejection_reason'),
    ('work_items', 'hinted_at', 'notified_at'),
)
# (table, column, its value at 0007, its value now)
_VALUES = (
    ('candidates', 'state', 'dead', 'rejected'),
    ('events', 'kind', 'reaped', 'requeued'),
)
_VERDICTS = {'dilatory': 'slow', 'depends on time': 'time-dependent'}
_LABELS = {'flooding': 'shaping dominates', 'drowned': 'entropy dominates', 'hacked': 'exploited'}
_SHAPING = {'farmed': 'exploited', 'budget': 'cap'}

# Settings of a job, and those of its methods.
_SPEC = {'episode_budget': 'episode_cap', 'favourite_first': 'order'}
_ORDER = {True: 'predicted', False: 'halving'}
_OPTIONS = {
    'calm': {'judge_seed': 'error_seed'},
    'oni': {'judge_seed': 'error_seed'},
    'count': {'sight': 'count_key'},
    'e3b': {'rate': 'learning_rate'},
    'noveld': {'rate': 'learning_rate', 'share': 'update_proportion', 'sight': 'count_key'},
    'rnd': {'rate': 'learning_rate', 'share': 'update_proportion'},
}

# programs.reward.SPARSE with its channel's `budget`, and with `cap`: the baseline's hash.
_SPARSE_BEFORE = 'b43b066907685dde7a31e2a70cb29e171e490110c47130c87a4ab01312af2b7d'
_SPARSE_NOW = 'b99044ca8e7c4db8c334e7b3d7fb88b94155e425ff8b1b411f873f306aacade8'

# Functions that 0005 and 0007 made on Postgres: (name, its text at 0007, its text now).
_FUNCTIONS = (
    ('submit', '"anneal": [0, 0], "budget": null,', '"anneal": [0, 0], "cap": null,'),
    ('submit', _SPARSE_BEFORE, _SPARSE_NOW),
    ('pause', 'hinted_at', 'notified_at'),
    ('resume', 'hinted_at', 'notified_at'),
    ('retry', 'hinted_at', 'notified_at'),
    ('retry', 'cause_of_death', 'rejection_reason'),
    ('veto', 'cause_of_death', 'rejection_reason'),
)


def upgrade() -> None:
    for table, before, now in _COLUMNS:
        # Both databases know the statement; a batch would copy the table.
        op.execute(f'ALTER TABLE {table} RENAME COLUMN {before} TO {now}')
    for table, column, before, now in _VALUES:
        op.execute(f"UPDATE {table} SET {column} = '{now}' WHERE {column} = '{before}'")
    op.execute(f"UPDATE candidates SET source_hash = '{_SPARSE_NOW}' WHERE source_hash = '{_SPARSE_BEFORE}'")
    _rewrite(back=False)
    for name, before, now in _FUNCTIONS:
        _replace(name, before, now)


def downgrade() -> None:
    for name, before, now in _FUNCTIONS:
        _replace(name, now, before)
    _rewrite(back=True)
    op.execute(f"UPDATE candidates SET source_hash = '{_SPARSE_BEFORE}' WHERE source_hash = '{_SPARSE_NOW}'")
    for table, column, before, now in _VALUES:
        op.execute(f"UPDATE {table} SET {column} = '{before}' WHERE {column} = '{now}'")
    for table, before, now in _COLUMNS:
        op.execute(f'ALTER TABLE {table} RENAME COLUMN {now} TO {before}')


def _rewrite(*, back: bool) -> None:
    def way(names):
        return {now: before for before, now in names.items()} if back else names

    verdicts, labels, cap = way(_VERDICTS), way(_LABELS), way({'budget': 'cap'})

    def text(words):
        return None if words is None else _in_text(words, {**verdicts, **labels})

    def spec(values):
        values = _renamed(values, way(_SPEC))
        if back and 'favourite_first' in values:
            values['favourite_first'] = values['favourite_first'] == 'predicted'
        elif not back and isinstance(values.get('order'), bool):
            values['order'] = _ORDER[values['order']]
        options = values.get('options')
        if isinstance(options, dict):
            values['options'] = {m: _renamed(own, way(_OPTIONS.get(m, {}))) for m, own in options.items()}
        return values

    def reward(values):
        channels = values.get('channels')
        return {**values, 'channels': [_renamed(c, cap) for c in channels]} if isinstance(channels, list) else values

    def adjustment(values):
        return {k: labels.get(v, v) if k == 'reason' else v for k, v in values.items()}

    def details(values):
        before, now = ('shaping', 'flooding') if back else ('flooding', 'shaping')
        values = _renamed(values, {before: now})
        if isinstance(values.get(now), dict):
            values[now] = _renamed(values[now], way(_SHAPING))
        return _strings(values, lambda words: verdicts.get(words) or _in_text(words, verdicts))

    def result(values):
        if isinstance(values.get('proposal'), dict):
            return {**values, 'proposal': adjustment(values['proposal'])}
        return values

    column = 'rejection_reason'
    for table, name, change in (
        ('jobs', 'spec', spec), ('candidates', 'reward', reward), ('candidates', 'adjustment', adjustment),
        ('checks', 'details', details), ('analyses', 'labels', lambda values: _renamed(values, labels)),
        ('work_items', 'result', result),
    ):  # fmt: skip
        _change(table, name, sa.JSON, lambda value, change=change: change(value) if isinstance(value, dict) else value)
    for table, name in (('candidates', column), ('checks', 'message')):
        _change(table, name, sa.Text, text)


def _change(table, column, kind, change):
    """Rewrite a column of those rows that the change changes."""
    connection = op.get_bind()
    rows = sa.table(table, sa.column('id'), sa.column(column, kind))
    for key, value in connection.execute(sa.select(rows.c.id, rows.c[column])).all():
        changed = change(value)
        # Not by ==: True equals 1.
        if json.dumps(changed, sort_keys=True) != json.dumps(value, sort_keys=True):
            connection.execute(rows.update().where(rows.c.id == key).values({column: changed}))


def _renamed(values, names):
    return {names.get(name, name): value for name, value in values.items()} if isinstance(values, dict) else values


def _strings(value, change):
    if isinstance(value, dict):
        return {name: _strings(each, change) for name, each in value.items()}
    if isinstance(value, list):
        return [_strings(each, change) for each in value]
    return change(value) if isinstance(value, str) else value


def _in_text(words, names):
    """Verdicts as messages state them ("dilatory on 2 of 16 layouts"), labels before a colon ("drowned: ...")."""
    for before, now in names.items():
        words = re.sub(rf'(?<![\w-]){re.escape(before)}(?= on \d|: )', now, words)
    return words


def _replace(name, before, after):
    """Put `after` for `before` in one of the database's functions; its privileges stay."""
    bind = op.get_bind()
    if bind.dialect.name != 'postgresql':
        return
    found = bind.execute(
        sa.text(
            'SELECT pg_get_functiondef(oid) FROM pg_proc '
            "WHERE proname = 'rewardsmith_' || :name AND pronamespace = current_schema()::regnamespace"
        ),
        {'name': name},
    ).scalar_one()
    assert before in found, f'rewardsmith_{name} is not as 0007 left it'
    bind.exec_driver_sql(found.replace(before, after))
